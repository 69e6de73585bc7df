#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/routes/generation.h"
#include "daemon/routes/openai/common.h"

namespace mlxr::daemon::openai {
namespace {

ApiResult<Call> call_with(json body) {
  body["model"] = "a";
  return read_call({.method = "POST", .path = "/v1/chat/completions", .body = body.dump()}, with_common_fields({}));
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

TEST(TakeAdvice, ARequestsOwnValueWinsEachByItself) {
  auto call = call_with(json{{"temperature", 0.25}, {"repetition_penalty", 1.5}});
  take_advice({.temperature = 0.75f, .top_k = 20, .top_p = {}, .min_p = {}, .repeat_penalty = 1.25f, .repeat_last_n = {}}, call->asked,
              call->request.sampling);
  EXPECT_EQ(call->request.sampling.temperature, 0.25f);
  EXPECT_EQ(call->request.sampling.repeat_penalty, 1.5f);
  EXPECT_EQ(call->request.sampling.top_k, 20);
  EXPECT_EQ(call->request.sampling.top_p, 1.0f);
}

TEST(ReadCall, TheNewerNameOfMaxTokensWins) {
  EXPECT_EQ(call_with(json{{"max_tokens", 5}, {"max_completion_tokens", 7}})->request.max_tokens, 7);
}

TEST(ReadCall, MinusOneIsNoLimitAndARandomSeed) {
  EXPECT_EQ(call_with(json{{"max_tokens", -1}})->request.max_tokens, -1);
  EXPECT_EQ(call_with(json{{"seed", -1}})->request.sampling.seed, std::nullopt);
  EXPECT_EQ(call_with(json{{"seed", 7}})->request.sampling.seed, 7u);
  EXPECT_EQ(call_with(json{{"max_tokens", -2}}).error().field, "max_tokens");
}

TEST(ReadCall, OtherRunnersSamplingFieldsAreObeyed) {
  const auto call = call_with(json{{"top_k", 5}, {"min_p", 0.25}, {"repetition_penalty", 1.5}});
  EXPECT_EQ(call->request.sampling.top_k, 5);
  EXPECT_EQ(call->request.sampling.min_p, 0.25f);
  EXPECT_EQ(call->request.sampling.repeat_penalty, 1.5f);
}

TEST(ReadCall, StopIsAStringOrAList) {
  EXPECT_EQ(call_with(json{{"stop", "x"}})->request.stop, (std::vector<std::string>{"x"}));
  EXPECT_EQ(call_with(json{{"stop", {"x", "y"}}})->request.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(call_with(json{{"stop", std::vector<std::string>(17, "x")}})->request.stop.size(), 17u);
  EXPECT_EQ(call_with(json{{"stop", std::vector<std::string>(kMaxStops + 1, "x")}}).error().field, "stop");
  EXPECT_EQ(call_with(json{{"stop", {"x", ""}}})->request.stop, (std::vector<std::string>{"x"}));
  EXPECT_TRUE(call_with(json{{"stop", ""}})->request.stop.empty());
  EXPECT_EQ(call_with(json{{"stop", 3}}).error().field, "stop");
}

TEST(ReadCall, StreamOptionsWithoutAStreamAskForNothing) {
  EXPECT_TRUE(call_with(json{{"stream_options", {{"include_usage", true}}}}));
  EXPECT_TRUE(call_with(json{{"stream", true}, {"stream_options", {{"include_usage", true}}}})->include_usage);
}

TEST(UnixTime, ReadsUtc) {
  EXPECT_EQ(unix_time("1970-01-02T00:00:00Z"), 86400);
  EXPECT_EQ(unix_time("soon"), 0);
}

}  // namespace
}  // namespace mlxr::daemon::openai
