// Bugs that people reported of other servers that compute requests together: each test is the scenario of one report, which its comment
// names. With tiny models, whose answers mean nothing and are always the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>

#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

Request request(std::vector<TokenId> tokens, int max_tokens) {
  return {.prompt = std::move(tokens), .max_tokens = max_tokens, .sampling = {.temperature = 0}, .ignore_end = true};
}

std::vector<TokenId> joined(std::vector<TokenId> first, const std::vector<TokenId>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class ReportsTest : public ::testing::Test {
 protected:
  ReportsTest() { write_tiny_model(file_, {.context = 512}); }

  // With an arena of this many blocks of 32 tokens.
  static std::unique_ptr<Engine> open(int blocks, EngineOptions options = {}) {
    options.threads = 2;
    options.kernels = "mlx";
    options.kv_bytes = static_cast<std::uint64_t>(blocks) * kTinyBlockBytes;
    return Engine::open(options).value();
  }
  // What the request gets from a model that has computed nothing else.
  Answer alone(const Request& one) {
    auto reply = calm_->submit(calm_->load(file_).value(), one).value();
    return read(reply);
  }
  static std::vector<Reply> submit(Engine& engine, const std::shared_ptr<Model>& model, const std::vector<Request>& requests) {
    std::vector<Reply> replies;
    for (const auto& one : requests) replies.push_back(engine.submit(model, one).value());
    return replies;
  }
  void expect_answers_as_alone(std::vector<Reply>& replies, const std::vector<Request>& requests) {
    for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(read(replies[i]).tokens, alone(requests[i]).tokens) << "request " << i;
  }

  platform::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path / "m.gguf";
  const std::unique_ptr<Engine> calm_ = open(64);
};

// Gemma 4's generation_config.json suppresses the tokens that begin images and sounds: the next best token takes their place.
TEST_F(ReportsTest, TokensThatTheModelSuppressesAreInNoAnswer) {
  const auto free = alone(request(prompt(20), 12)).tokens;
  const auto other = folder_.path / "suppressing.gguf";
  write_tiny_model(other, {.context = 512, .suppressed = {free[0], 9999, -1}});
  auto reply = calm_->submit(calm_->load(other).value(), request(prompt(20), 12)).value();
  const auto bound = read(reply).tokens;
  EXPECT_EQ(bound.size(), free.size());
  EXPECT_THAT(bound, ::testing::Not(::testing::Contains(free[0])));
  std::vector<std::int32_t> all(kTinyVocabulary);
  std::iota(all.begin(), all.end(), 0);
  write_tiny_model(other, {.suppressed = all});
  EXPECT_THAT(calm_->load(other).error().message, HasSubstr("suppresses all of its tokens"));
}

// llama.cpp#7834: more requests than slots, with a common system prompt, were never answered. vllm#53130: once the running requests and
// those put off were as many as the limit, none was admitted any more.
TEST_F(ReportsTest, MoreRequestsThanRunAtOnceAreAllAnswered) {
  const auto engine = open(40);
  const auto model = engine->load(file_).value();
  std::vector<Request> requests;
  for (int i = 0; i < 80; ++i) requests.push_back(request(joined(prompt(70), prompt(3 + i % 7, i)), 5 + i % 40));
  auto replies = submit(*engine, model, requests);
  expect_answers_as_alone(replies, requests);
}

// llama.cpp#17316: after some hundred prompts that shared parts with earlier ones, a slot's positions were wrong, and the prompt that met
// it was refused at every attempt.
TEST_F(ReportsTest, AHundredPromptsThatShareTheirBeginningsAreAnsweredAndAnsweredAgain) {
  const auto engine = open(12);
  const auto model = engine->load(file_).value();
  std::mt19937 random(1);
  std::vector<Request> requests;
  std::vector<Answer> want;
  for (int i = 0; i < 100; ++i) {
    const auto beginning = prompt(static_cast<int>(1 + random() % 150), static_cast<int>(random() % 3));
    requests.push_back(request(joined(beginning, prompt(static_cast<int>(random() % 60), i)), 5));
    want.push_back(alone(requests.back()));
  }
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      auto reply = engine->submit(model, requests[i]).value();
      auto left = engine->submit(model, requests[(i * 7 + 3) % requests.size()]).value();  // by a client who goes away
      ASSERT_TRUE(left.next());
      left.cancel();
      EXPECT_EQ(read(reply).tokens, want[i].tokens) << "request " << i << ", round " << round;
    }
  }
}

// scouzi1966/maclocal-api#140: when short answers ended, those beside them became repetitions of one token.
TEST_F(ReportsTest, AnswersThatEndEarlyLeaveTheOthersAsTheyAre) {
  const auto engine = open(64);
  const auto model = engine->load(file_).value();
  std::vector<Request> requests;
  for (const int length : {60, 1, 2, 3, 5, 8, 13, 21, 34, 55, 1, 1, 60}) requests.push_back(request(prompt(10 + length, length), length));
  auto replies = submit(*engine, model, requests);
  expect_answers_as_alone(replies, requests);
}

// mlx-lm#1834: with a full prompt cache and several clients, no request ever ended again. vllm#15996: requests that kept coming while the
// cache was nearly full stopped everything.
TEST_F(ReportsTest, RequestsThatKeepComingWhileTheCacheIsFullAreAllAnswered) {
  const auto engine = open(12);
  const auto model = engine->load(file_).value();
  std::atomic<int> whole = 0;
  const auto client = [&](int number) {
    for (int i = 0; i < 8; ++i) {
      auto reply = engine->submit(model, request(prompt(60 + 5 * i, 8 * number + i), 40)).value();
      if (read(reply).last.usage.completion_tokens == 40) ++whole;
    }
  };
  {
    std::vector<std::jthread> clients;
    for (int number = 0; number < 8; ++number) clients.emplace_back(client, number);
  }
  EXPECT_EQ(whole, 64);
  while (engine->status().running + engine->status().waiting > 0) std::this_thread::yield();
}

// vllm#39734: a request that the model's context allowed and the cache could not hold stayed at the head of the queue, and everything
// behind it.
TEST_F(ReportsTest, APromptThatTheCacheCannotHoldIsRefusedAndHoldsUpNobody) {
  const auto engine = open(4);
  const auto model = engine->load(file_).value();
  auto running = engine->submit(model, request(prompt(20), 40)).value();
  const auto refused = engine->submit(model, request(prompt(200), 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kContextExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("200"));
  EXPECT_THAT(refused.error().message, HasSubstr("128"));
  auto largest = engine->submit(model, request(prompt(100, 1), 28)).value();  // all four blocks
  auto next = engine->submit(model, request(prompt(5), 3)).value();
  EXPECT_EQ(read(running).last.finish, FinishReason::kLength);
  EXPECT_EQ(read(largest).last.usage.completion_tokens, 28);
  EXPECT_EQ(read(next).last.usage.completion_tokens, 3);
}

// vllm#11067: an answer stood still while new requests arrived. Here it takes part in every step, each of which reads at most 64 tokens of
// prompts.
TEST_F(ReportsTest, AnAnswerGoesOnWhileNewPromptsArrive) {
  const auto engine = open(256, {.max_batch_tokens = 64});
  const auto model = engine->load(file_).value();
  auto answering = engine->submit(model, request(prompt(4), 500)).value();
  Pause pause(answering);
  std::atomic<int> ended = 0;
  std::vector<Reply> replies;
  for (int i = 0; i < 20; ++i) {
    replies.push_back(engine->submit(model, request(prompt(200, i), 0)).value());
    replies.back().on_ready([&] {
      if (++ended == 20) answering.cancel();
    });
  }
  int before = 0;
  while (answering.try_next()) ++before;
  pause.end();
  EXPECT_GE(read(answering).last.usage.completion_tokens - before, 20 * 200 / 64);
}

// ikawrakow/ik_llama.cpp#1929: a client who left the queue ended the answer of another, which was being computed.
TEST_F(ReportsTest, WhoLeavesTheQueueEndsNobodyElsesAnswer) {
  const auto engine = open(4);
  const auto model = engine->load(file_).value();
  auto running = engine->submit(model, request(prompt(90), 30)).value();
  Pause pause(running);
  auto waiting = engine->submit(model, request(prompt(90, 1), 30)).value();
  waiting.cancel();
  pause.end();
  EXPECT_EQ(read(waiting).last.finish, FinishReason::kCancelled);
  EXPECT_EQ(read(running).tokens, alone(request(prompt(90), 30)).tokens);
}

// vllm#31731: small requests waited behind a large one that did not fit, and people asked to let them pass. They wait here too: among
// clients who go on asking for little, the large one would never find the cache free.
TEST_F(ReportsTest, ALargePromptIsNotOvertakenForEver) {
  const auto engine = open(8);
  const auto model = engine->load(file_).value();
  auto running = engine->submit(model, request(prompt(150), 30)).value();
  Pause pause(running);
  auto large = engine->submit(model, request(prompt(200, 1), 1)).value();
  auto small = engine->submit(model, request(prompt(5, 2), 1)).value();
  std::vector<std::string> order;
  large.on_ready([&] { order.push_back("large"); });
  small.on_ready([&] { order.push_back("small"); });
  pause.end();
  read(running);
  read(large);
  read(small);
  large.on_ready(nullptr);
  small.on_ready(nullptr);
  EXPECT_EQ(order.front(), "large");
}

// vllm#51226: a request's seed had no effect when another of the batch had none.
TEST_F(ReportsTest, ASeedHoldsBesideRequestsWithoutOne) {
  const auto engine = open(64);
  const auto model = engine->load(file_).value();
  auto seeded = request(prompt(20), 40), free = request(prompt(20, 1), 40);
  seeded.sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .seed = 42};
  free.sampling = {.temperature = 1, .top_k = 0, .top_p = 1};
  for (int round = 0; round < 3; ++round) {
    auto replies = submit(*engine, model, {free, seeded, free});
    EXPECT_EQ(read(replies[1]).tokens, alone(seeded).tokens);
  }
}

// turboderp-org/exllamav2#186: the same prompt twice in a batch gave almost the same text twice, from the same random numbers.
TEST_F(ReportsTest, TheSamePromptTwiceAtOnceIsDrawnTwice) {
  const auto engine = open(64);
  const auto model = engine->load(file_).value();
  auto free = request(prompt(20), 60);
  free.sampling = {.temperature = 2, .top_k = 0, .top_p = 1};
  auto replies = submit(*engine, model, {free, free});
  EXPECT_NE(read(replies[0]).tokens, read(replies[1]).tokens);
}

// sgl-project/sglang#19977: tokens were lost when a client read later than they came.
TEST_F(ReportsTest, AClientWhoReadsAtTheEndGetsEveryToken) {
  const auto engine = open(64);
  const auto model = engine->load(file_).value();
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(request(prompt(10, i), 100));
  auto replies = submit(*engine, model, requests);
  while (engine->status().running + engine->status().waiting > 0) std::this_thread::yield();
  expect_answers_as_alone(replies, requests);
}

// vllm#25780: what a request computed again after it had given its blocks away was counted as taken from the cache.
TEST_F(ReportsTest, WhatIsComputedTwiceIsNotCountedAsCached) {
  const auto engine = open(6);
  const auto model = engine->load(file_).value();
  std::vector<Request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(request(prompt(40, i), 80));
  auto replies = submit(*engine, model, requests);  // twelve blocks, of which there are six
  std::vector<int> cached;
  for (auto& reply : replies) cached.push_back(read(reply).last.usage.cached_tokens);
  EXPECT_THAT(cached, Each(0));
  while (engine->status().running > 0) std::this_thread::yield();
  EXPECT_EQ(engine->status().prompt_tokens, 120u);
}

// vllm#5543: after answers that had ended at a stop string, later prompts with the same beginning were answered differently.
TEST_F(ReportsTest, AnAnswerThatAStopStringEndsLeavesAGoodBeginning) {
  const auto free = alone(request(prompt(50), 40));
  const auto model = calm_->load(file_).value();
  auto reply = calm_->submit(model, request(prompt(50), 40)).value();
  std::string stop;  // a printable token of the answer
  while (auto event = reply.next())
    for (const auto& token : event->tokens)
      if (stop.empty() && token.bytes.size() == 1 && token.bytes[0] > ' ' && token.bytes[0] < 127) stop = token.bytes;
  ASSERT_FALSE(stop.empty());

  const auto engine = open(64);
  const auto warm = engine->load(file_).value();
  auto stopped = request(prompt(50), 40);
  stopped.stop = {stop};
  auto first = submit(*engine, warm, {stopped, stopped});
  for (auto& one : first) EXPECT_EQ(read(one).last.stop, stop);
  const std::vector<Request> requests = {request(joined(prompt(50), free.tokens), 20), request(prompt(50), 40), stopped};
  auto replies = submit(*engine, warm, requests);
  expect_answers_as_alone(replies, requests);
}

// vllm#13186: answers that were streamed together came out jumbled. Here every request has other options than its neighbours.
TEST_F(ReportsTest, EachRequestOfABatchHasItsOwnOptions) {
  const auto engine = open(64);
  const auto model = engine->load(file_).value();
  std::vector<Request> requests(6, request(prompt(30), 40));
  requests[1].sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .seed = 1};
  requests[2].sampling = {.temperature = 1, .top_k = 0, .top_p = 0.7f, .min_p = 0.02f, .seed = 1};
  requests[3].sampling.repeat_penalty = 1.3f;
  requests[4].sampling.presence_penalty = 2;
  requests[5].top_logprobs = 5;
  auto replies = submit(*engine, model, requests);
  expect_answers_as_alone(replies, requests);
}

}  // namespace
}  // namespace mlxr
