#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/routes/openai/common.h"

namespace mlxr::daemon::openai {
namespace {

ApiResult<Call> call_with(json body) {
  body["model"] = "a";
  return read_call({.method = "POST", .path = "/v1/chat/completions", .body = body.dump()},
                   with_common_fields({{.name = "max_completion_tokens"}}));
}

TEST(Sse, AnEventIsOneDataLineAndABlankOne) { EXPECT_EQ(sse_event("{\"a\":1}"), "data: {\"a\":1}\n\n"); }

TEST(ReadCall, DefaultsAreOpenAis) {
  const auto options = call_with(json::object());
  ASSERT_TRUE(options);
  EXPECT_EQ(options->request.sampling.temperature, 1.0f);
  EXPECT_EQ(options->request.sampling.top_p, 1.0f);
  EXPECT_EQ(options->request.sampling.top_k, 0);
  EXPECT_EQ(options->request.max_tokens, -1);
  EXPECT_FALSE(options->stream);
}

TEST(ReadCall, TheNewerNameOfMaxTokensWins) {
  EXPECT_EQ(call_with(json{{"max_tokens", 5}, {"max_completion_tokens", 7}})->request.max_tokens, 7);
}

TEST(ReadCall, StopIsAStringOrAListOfAtMostFour) {
  EXPECT_EQ(call_with(json{{"stop", "x"}})->request.stop, (std::vector<std::string>{"x"}));
  EXPECT_EQ(call_with(json{{"stop", {"x", "y"}}})->request.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(call_with(json{{"stop", {"1", "2", "3", "4", "5"}}}).error().field, "stop");
  EXPECT_EQ(call_with(json{{"stop", ""}}).error().field, "stop");
  EXPECT_EQ(call_with(json{{"stop", 3}}).error().field, "stop");
}

TEST(ReadCall, StreamOptionsNeedAStream) {
  EXPECT_EQ(call_with(json{{"stream_options", {{"include_usage", true}}}}).error().field, "stream_options");
  EXPECT_TRUE(call_with(json{{"stream", true}, {"stream_options", {{"include_usage", true}}}})->include_usage);
}

TEST(UnixTime, ReadsUtc) {
  EXPECT_EQ(unix_time("1970-01-02T00:00:00Z"), 86400);
  EXPECT_EQ(unix_time("soon"), 0);
}

}  // namespace
}  // namespace mlxr::daemon::openai
