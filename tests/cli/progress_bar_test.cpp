#include "cli/progress_bar.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mlxr::cli {
namespace {

using std::chrono::seconds;

const ProgressBar::Clock::time_point kStart{};

TEST(ProgressBar, ShowsPercentBytesSpeedAndTimeLeftOnATerminal) {
  ProgressBar bar(true);
  bar.update({"downloading", "a.gguf", 0, 100'000'000}, kStart, 120);
  const std::string line = bar.update({"downloading", "a.gguf", 50'000'000, 100'000'000}, kStart + seconds(2), 120);
  EXPECT_EQ(line, "\rdownloading  [###############               ]   50%  50 MB of 100 MB  25 MB/s  2.0s left\033[K");
}

TEST(ProgressBar, NeverFillsMoreThanTheLine) {
  for (int width = 20; width < 140; ++width) {
    ProgressBar bar(true);
    bar.update({"downloading", "a-model-with-a-long-name.gguf", 0, 100'000'000}, kStart, width);
    const std::string line =
        bar.update({"downloading", "a-model-with-a-long-name.gguf", 99'000'000, 100'000'000}, kStart + seconds(60), width);
    EXPECT_LT(line.size() - std::string("\r\033[K").size(), static_cast<std::size_t>(width)) << line;
  }
}

TEST(ProgressBar, MeasuresSpeedOverTheLastSecondsAndNotFromWhereItResumed) {
  ProgressBar bar(true);
  bar.update({"downloading", "a", 900'000'000, 1'000'000'000}, kStart, 120);  // resumed at 90%
  const std::string line = bar.update({"downloading", "a", 910'000'000, 1'000'000'000}, kStart + seconds(1), 120);
  EXPECT_NE(line.find("10 MB/s"), std::string::npos) << line;
  EXPECT_NE(line.find("9.0s left"), std::string::npos) << line;
}

TEST(ProgressBar, WritesAPlainLineForEachTenPercentElsewhere) {
  ProgressBar bar(false);
  std::string all;
  for (std::uint64_t done = 0; done <= 100; ++done) all += bar.update({"downloading", "a.gguf", done, 100}, kStart, 80);
  all += bar.finish();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 11);
  EXPECT_EQ(all.find('\r'), std::string::npos);
  EXPECT_TRUE(all.starts_with("downloading a.gguf: 0% of 100 B\n"));
  EXPECT_TRUE(all.ends_with("downloading a.gguf: 100% of 100 B\n"));
}

TEST(ProgressBar, StaysOnItsLineFromStageToStage) {
  ProgressBar bar(true);
  EXPECT_EQ(bar.update({"downloading", "a", 1, 1}, kStart, 80), "\rdownloading  [################]  100%  1 B of 1 B\033[K");
  EXPECT_EQ(bar.update({"verifying", "a", 0, 1}, kStart, 80), "\rverifying    [                ]    0%  0 B of 1 B\033[K");
  EXPECT_EQ(bar.finish(), "\n");
  EXPECT_EQ(bar.finish(), "");
}

TEST(ProgressBar, WithoutATotalItCountsBytes) {
  ProgressBar bar(true);
  EXPECT_EQ(bar.update({"downloading", "a", 2'000'000, 0}, kStart, 80), "\rdownloading  2 MB\033[K");
}

}  // namespace
}  // namespace mlxr::cli
