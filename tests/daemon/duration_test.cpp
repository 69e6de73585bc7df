#include "daemon/duration.h"

#include <gtest/gtest.h>

namespace mlxr::daemon {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("30"), 30s);
  EXPECT_EQ(parse_duration("0"), 0ms);
}

TEST(Duration, NegativeIsForever) {
  EXPECT_EQ(parse_duration("-1"), kForever);
  EXPECT_EQ(parse_duration("-5m"), kForever);
  EXPECT_EQ(duration_of_seconds(-1), kForever);
}

TEST(Duration, TooLongIsForever) { EXPECT_EQ(duration_of_seconds(1e300), kForever); }

TEST(Duration, RefusesWhatItCannotRead) {
  for (const auto* text : {"", "-", "m", "5 m", "5x", "1h30", "1.2.3s", "soon"}) EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace mlxr::daemon
