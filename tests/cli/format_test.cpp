#include "cli/format.h"

#include <gtest/gtest.h>

#include <limits>

namespace mlxr::cli {
namespace {

TEST(FormatBytes, CountsInPowersOfThousand) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1 kB");
  EXPECT_EQ(format_bytes(98'362'464), "98.4 MB");
  EXPECT_EQ(format_bytes(999'960'000), "1 GB");
  EXPECT_EQ(format_bytes(1'500'000'000), "1.5 GB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::uint64_t>::max()), "18446744 TB");
}

TEST(FormatCount, NamesModelsAsTheirMakersDo) {
  EXPECT_EQ(format_count(134'515'008), "135M");
  EXPECT_EQ(format_count(1'711'376'384), "1.7B");
  EXPECT_EQ(format_count(12), "12");
}

TEST(FormatDuration, TakesTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0.04), "0.0s");
  EXPECT_EQ(format_duration(9.94), "9.9s");
  EXPECT_EQ(format_duration(9.96), "10s");
  EXPECT_EQ(format_duration(59.6), "1m 00s");
  EXPECT_EQ(format_duration(185), "3m 05s");
  EXPECT_EQ(format_duration(7620), "2h 07m");
}

TEST(FormatDuration, DoesNotGuess) {
  EXPECT_EQ(format_duration(-1), "--");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "--");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::quiet_NaN()), "--");
}

TEST(FormatDay, ShowsMinutes) {
  EXPECT_EQ(format_day("2026-08-01T12:30:59Z"), "2026-08-01 12:30");
  EXPECT_EQ(format_day(""), "");
}

}  // namespace
}  // namespace mlxr::cli
