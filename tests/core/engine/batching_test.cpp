// What a step computes: the sessions of a model together, in one batch, and nothing that is in the cache already. With tiny models on MLX
// expressions that note every batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <algorithm>
#include <mutex>
#include <numeric>

#include "core/engine/loaded_model.h"
#include "core/engine/scheduler.h"
#include "core/ops/forwarding_ops.h"
#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::engine {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

// The number of new tokens of each sequence.
using Counts = std::vector<int>;

class NotingOps final : public ops::ForwardingOps {
 public:
  NotingOps() : ForwardingOps(ops::make_mlx_ops()) {}
  ops::mx::array embed(const ops::Step& step, const ops::Weight& table, float scale) const override {
    Counts counts;
    for (const auto& sequence : step.batch.sequences) counts.push_back(sequence.count);
    std::lock_guard lock(mutex_);
    batches_.push_back(std::move(counts));
    return ForwardingOps::embed(step, table, scale);
  }
  std::vector<Counts> take() const {
    std::lock_guard lock(mutex_);
    return std::exchange(batches_, {});
  }

 private:
  mutable std::mutex mutex_;
  mutable std::vector<Counts> batches_;
};

class BatchingTest : public ::testing::Test {
 protected:
  // A model with a cache of this many blocks.
  void load(int blocks, TinyShape shape = {.context = 2048}) {
    write_tiny_model(folder_.path / "m.gguf", shape);
    const KvLimit limit{static_cast<std::uint64_t>(blocks) * kTinyBlockBytes, quant::Type::kF16, EngineOptions().max_batch_tokens};
    model_ = LoadedModel::load(platform::OpenFile::open(folder_.path / "m.gguf").value(), {}, limit, ops_).value();
  }
  // Submits without a thread in between, so that all are in the queue before the first step.
  Reply submit(Scheduler& scheduler, std::vector<TokenId> tokens, int max_tokens) {
    auto reply = std::make_shared<Reply::State>();
    Request request{.prompt = std::move(tokens), .sampling = {.temperature = 0}, .ignore_end = true};
    EXPECT_TRUE(scheduler.submit(std::make_unique<Session>(model_, std::move(request), max_tokens, reply)));
    return Reply(reply);
  }
  // Computed from its first token on.
  Answer alone(const std::vector<TokenId>& tokens, int max_tokens) {
    model_->prefixes().clear();
    Scheduler scheduler({});
    auto reply = submit(scheduler, tokens, max_tokens);
    auto answer = read(reply);
    ops_->take();
    return answer;
  }

  platform::TemporaryFolder folder_;
  std::shared_ptr<NotingOps> ops_ = std::make_shared<NotingOps>();
  std::shared_ptr<LoadedModel> model_;
};

TEST_F(BatchingTest, AnswersAreComputedTogetherAndAreThoseTheyWouldBeAlone) {
  load(64);
  std::vector<Answer> want;
  for (int i = 0; i < 5; ++i) want.push_back(alone(prompt(10 + 7 * i, i), 30));
  Scheduler scheduler({});
  auto first = submit(scheduler, prompt(4), 1000);
  ASSERT_TRUE(first.next());
  Pause pause(first);
  std::vector<Reply> replies;
  for (int i = 0; i < 5; ++i) replies.push_back(submit(scheduler, prompt(10 + 7 * i, i), 30));
  pause.end();
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(read(replies[i]).tokens, want[i].tokens) << i;
  auto batches = ops_->take();
  std::erase_if(batches, [](const Counts& counts) { return counts.size() == 1; });
  EXPECT_THAT(batches, SizeIs(Le(40u))) << "not a step for each of 150 tokens";
  EXPECT_THAT(batches, Contains(Counts{1, 1, 1, 1, 1, 1}));
}

TEST_F(BatchingTest, APromptIsReadInPartsWhileOthersAnswer) {
  load(64);
  Scheduler scheduler({.max_batch_tokens = 512});
  auto answering = submit(scheduler, prompt(4), 200);
  ASSERT_TRUE(answering.next());
  auto reading = submit(scheduler, prompt(600, 1), 1);
  read(reading);
  std::vector<Counts> mixed;
  for (auto& batch : ops_->take())
    if (batch.size() == 2) mixed.push_back(std::move(batch));
  std::vector<Counts> want(12, {1, 48});
  want.push_back({1, 24});
  EXPECT_EQ(mixed, want);
}

// Half of a step is for the prompt that came first, the rest for those with the least left.
TEST_F(BatchingTest, AShortPromptDoesNotWaitForALongOne) {
  load(256);
  Scheduler scheduler({.max_batch_tokens = 64});
  auto first = submit(scheduler, prompt(4), 1000);
  ASSERT_TRUE(first.next());
  Pause pause(first);
  auto long_one = submit(scheduler, prompt(1500, 1), 1), longer = submit(scheduler, prompt(1900, 2), 1);
  auto short_one = submit(scheduler, prompt(40, 3), 1);
  pause.end();
  read(short_one);
  const auto batches = ops_->take();
  EXPECT_THAT(batches, Contains(Counts{1, 24, 24}));
  EXPECT_THAT(batches, Contains(Counts{1, 24, 16, 8})) << "the end of the short prompt";
}

TEST_F(BatchingTest, APromptTakesWhatAnEarlierOneHasStored) {
  load(64);
  auto next = prompt(100);
  const auto turn = alone(next, 20);
  next.insert(next.end(), turn.tokens.begin(), turn.tokens.end());
  for (const auto token : prompt(50, 9)) next.push_back(token);  // the next turn of the chat
  const auto want = alone(next, 20);
  EXPECT_EQ(want.last.usage.cached_tokens, 0);

  alone(prompt(100), 20);
  Scheduler scheduler({});
  auto reply = submit(scheduler, next, 20);
  const auto got = read(reply);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.last.usage.prompt_tokens, 170);
  EXPECT_EQ(got.last.usage.cached_tokens, 96) << "119 tokens are stored, three whole blocks of 32";
  EXPECT_THAT(ops_->take(), Contains(Counts{74}));
}

TEST_F(BatchingTest, APromptTakesWhatARunningSessionHasStored) {
  load(64);
  const auto want = alone(prompt(70), 10);
  Scheduler scheduler({});
  auto first = submit(scheduler, prompt(70), 500);
  ASSERT_TRUE(first.next());
  auto second = submit(scheduler, prompt(70), 10);
  const auto got = read(second);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.last.usage.cached_tokens, 64);
}

// A model with windows finds what it has stored where its windows are still there. A chat asks at such places.
TEST_F(BatchingTest, AChatWithAModelWithWindowsTakesWhatItHasStored) {
  auto shape = tiny_with_windows(40);
  shape.context = 2048;
  load(200, shape);
  const auto question = prompt(300);
  const auto turn = alone(question, 200);
  auto next = question;
  next.insert(next.end(), turn.tokens.begin(), turn.tokens.end());
  for (const auto token : prompt(50, 9)) next.push_back(token);
  auto other = question;
  for (const auto token : prompt(50, 5)) other.push_back(token);
  const auto want_next = alone(next, 20), want_other = alone(other, 20);
  alone(question, 200);

  Scheduler scheduler({});
  const auto ask = [&](const std::vector<TokenId>& tokens, int most) {
    auto reply = submit(scheduler, tokens, most);
    return read(reply);
  };
  const auto again = ask(question, 200);
  EXPECT_EQ(again.tokens, turn.tokens);
  EXPECT_EQ(again.last.usage.cached_tokens, 288) << "the same question once more";
  const auto got_next = ask(next, 20);
  EXPECT_EQ(got_next.tokens, want_next.tokens);
  EXPECT_EQ(got_next.last.usage.cached_tokens, 480) << "the next turn";
  const auto got_other = ask(other, 20);
  EXPECT_EQ(got_other.tokens, want_other.tokens);
  EXPECT_EQ(got_other.last.usage.cached_tokens, 288) << "something else after the first question";
}

// Of prompts that begin alike and end differently, the second one keeps what all of them have in common.
TEST_F(BatchingTest, APromptPausesWhereItPartsFromAnEarlierOne) {
  auto shape = tiny_with_windows(40);
  shape.context = 2048;
  load(200, shape);
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Answer> want;
  for (const int seed : {9, 5, 3, 7}) {
    prompts.push_back(prompt(200));
    for (const auto token : prompt(150, seed)) prompts.back().push_back(token);
    want.push_back(alone(prompts.back(), 20));
  }
  model_->prefixes().clear();
  Scheduler scheduler({});
  const auto ask = [&](std::size_t i) {
    auto reply = submit(scheduler, prompts[i], 20);
    const auto answer = read(reply);
    EXPECT_EQ(answer.tokens, want[i].tokens) << i;
    auto batches = ops_->take();
    std::erase(batches, Counts{1});
    return std::pair(answer.last.usage.cached_tokens, batches);
  };
  EXPECT_EQ(ask(0), std::pair(0, std::vector<Counts>{{350}}));
  EXPECT_EQ(ask(1), std::pair(0, std::vector<Counts>{{192}, {158}}));
  EXPECT_EQ(ask(2), std::pair(192, std::vector<Counts>{{158}}));
  EXPECT_EQ(ask(3), std::pair(192, std::vector<Counts>{{158}}));
}

TEST_F(BatchingTest, APromptPausesWhereItPartsFromOneThatIsStillRead) {
  auto shape = tiny_with_windows(40);
  shape.context = 2048;
  load(200, shape);
  Scheduler scheduler({.max_batch_tokens = 64});
  auto answering = submit(scheduler, prompt(4), 1000);
  ASSERT_TRUE(answering.next());
  Pause pause(answering);
  std::vector<Reply> replies;
  for (const int seed : {9, 5}) {
    auto tokens = prompt(200);
    for (const auto token : prompt(150, seed)) tokens.push_back(token);
    replies.push_back(submit(scheduler, tokens, 1));
  }
  pause.end();
  for (auto& reply : replies) EXPECT_EQ(read(reply).last.usage.cached_tokens, 0);
  auto third = submit(scheduler, prompt(201), 1);
  EXPECT_EQ(read(third).last.usage.cached_tokens, 192);
}

// A second question about a long text finds a part of it, although nothing was known of it when the text was read.
TEST_F(BatchingTest, ALongPromptKeepsPlacesOnItsWay) {
  auto shape = tiny_with_windows(40);
  shape.context = 2048;
  load(200, shape);
  auto other = prompt(1400);
  for (const auto token : prompt(50, 9)) other.push_back(token);
  const auto want = alone(other, 20);
  alone(prompt(1500), 20);
  Scheduler scheduler({});
  auto reply = submit(scheduler, other, 20);
  const auto got = read(reply);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.last.usage.cached_tokens, 1216) << "1244 tokens are 256 before the end";
}

TEST_F(BatchingTest, ACacheForOneTextWithWindowsIsEnoughForIt) {
  auto shape = tiny_with_windows(40);
  shape.context = 2048;
  load(43, shape);  // 64 blocks of the layer that sees everything, and 21 of the one with a window
  ASSERT_EQ(model_->info().context_length, 2048);
  const auto want = alone(prompt(1500), 400);
  EXPECT_THAT(want.tokens, SizeIs(400));
  Scheduler scheduler({});
  auto first = submit(scheduler, prompt(1500), 400), second = submit(scheduler, prompt(1500, 1), 400);
  EXPECT_EQ(read(first).tokens, want.tokens);
  EXPECT_THAT(read(second).tokens, SizeIs(400));
}

TEST_F(BatchingTest, AWholeTextThatIsStoredComputesItsLastBlockOnly) {
  load(64);
  const auto want = alone(prompt(64), 5);
  Scheduler scheduler({});
  auto reply = submit(scheduler, prompt(64), 5);
  const auto got = read(reply);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.last.usage.cached_tokens, 32);
}

// What is kept takes no room from those that run.
TEST_F(BatchingTest, KeptTextsGiveTheirBlocksToNewOnes) {
  load(8, {.context = 256});
  for (int i = 0; i < 6; ++i) {
    const auto tokens = prompt(200, i);
    const auto want = alone(tokens, 40);
    Scheduler scheduler({});
    auto other = submit(scheduler, prompt(150, 100 + i), 5);
    read(other);
    auto reply = submit(scheduler, tokens, 40);
    EXPECT_EQ(read(reply).tokens, want.tokens) << i;
  }
}

// vllm#25538: a session that has to wait computes no more than what others have taken of it.
TEST_F(BatchingTest, ASessionThatWaitedComputesAgainWhatItLostOnly) {
  load(8, {.context = 256});
  const auto want = alone(prompt(60, 1), 40);
  model_->prefixes().clear();
  Scheduler scheduler({});
  auto first = submit(scheduler, prompt(150), 40), second = submit(scheduler, prompt(60, 1), 40);
  read(first);
  EXPECT_EQ(read(second).tokens, want.tokens);
  int computed = 0;
  for (const auto& batch : ops_->take()) computed += std::accumulate(batch.begin(), batch.end(), 0);
  const int once = 150 + 39 + 60 + 39;
  EXPECT_GT(computed, once) << "the second one had to wait: ten blocks do not fit in eight";
  EXPECT_LT(computed, once + kv::kBlockTokens);
}

TEST_F(BatchingTest, ARequestForNoAnswerReadsItsPromptAndEnds) {
  load(64);
  Scheduler scheduler({});
  auto reply = submit(scheduler, prompt(70), 0);
  const auto answer = read(reply);
  EXPECT_THAT(answer.tokens, IsEmpty());
  auto next = submit(scheduler, prompt(80), 1);
  EXPECT_EQ(read(next).last.usage.cached_tokens, 64);
}

}  // namespace
}  // namespace mlxr::engine
