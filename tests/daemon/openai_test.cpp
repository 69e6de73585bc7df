#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/routes/openai/common.h"

namespace mlxr::daemon::openai {
namespace {

TEST(Sse, AnEventIsOneDataLineAndABlankOne) { EXPECT_EQ(sse_event("{\"a\":1}"), "data: {\"a\":1}\n\n"); }

TEST(ReadCommon, DefaultsAreOpenAis) {
  const auto options = read_common(json::object());
  ASSERT_TRUE(options);
  EXPECT_EQ(options->request.sampling.temperature, 1.0f);
  EXPECT_EQ(options->request.sampling.top_p, 1.0f);
  EXPECT_EQ(options->request.sampling.top_k, 0);
  EXPECT_EQ(options->request.max_tokens, -1);
  EXPECT_FALSE(options->stream);
}

TEST(ReadCommon, TheNewerNameOfMaxTokensWins) {
  EXPECT_EQ(read_common(json{{"max_tokens", 5}, {"max_completion_tokens", 7}})->request.max_tokens, 7);
}

TEST(ReadCommon, StopIsAStringOrAListOfAtMostFour) {
  EXPECT_EQ(read_common(json{{"stop", "x"}})->request.stop, (std::vector<std::string>{"x"}));
  EXPECT_EQ(read_common(json{{"stop", {"x", "y"}}})->request.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(read_common(json{{"stop", {"1", "2", "3", "4", "5"}}}).error().field, "stop");
  EXPECT_EQ(read_common(json{{"stop", ""}}).error().field, "stop");
  EXPECT_EQ(read_common(json{{"stop", 3}}).error().field, "stop");
}

TEST(ReadCommon, StreamOptionsNeedAStream) {
  EXPECT_EQ(read_common(json{{"stream_options", {{"include_usage", true}}}}).error().field, "stream_options");
  EXPECT_TRUE(read_common(json{{"stream", true}, {"stream_options", {{"include_usage", true}}}})->include_usage);
}

TEST(UnixTime, ReadsUtc) {
  EXPECT_EQ(unix_time("1970-01-02T00:00:00Z"), 86400);
  EXPECT_EQ(unix_time("soon"), 0);
}

}  // namespace
}  // namespace mlxr::daemon::openai
