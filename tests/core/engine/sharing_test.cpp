// Several models at once, models that are unloaded while they answer, queues, and the latency target: what an engine's clients see of it.
// With tiny models, whose answers mean nothing and are always the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <algorithm>

#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::Each;

Request request(std::vector<TokenId> tokens, int max_tokens) {
  return {.prompt = std::move(tokens), .max_tokens = max_tokens, .sampling = {.temperature = 0}, .ignore_end = true};
}

class SharingTest : public ::testing::Test {
 protected:
  // With arenas of this many blocks of 32 tokens.
  static std::unique_ptr<Engine> open(int blocks, EngineOptions options = {}) {
    options.threads = 2;
    options.kernels = "mlx";
    options.kv_bytes = static_cast<std::uint64_t>(blocks) * kTinyBlockBytes;
    return Engine::open(options).value();
  }
  // Another seed makes another model.
  std::filesystem::path file(TinyShape shape = {.context = 256}) {
    const auto path = folder_.path / (std::to_string(shape.seed) + ".gguf");
    if (!std::filesystem::exists(path)) write_tiny_model(path, shape);
    return path;
  }
  // What the model of this file answers when it has nothing else to do.
  std::vector<TokenId> alone(const std::filesystem::path& file, const Request& one) {
    auto reply = calm_->submit(calm_->load(file).value(), one).value();
    return read(reply).tokens;
  }
  static void wait_until_idle(Engine& engine) {
    while (engine.status().running + engine.status().waiting > 0) std::this_thread::yield();
  }

  platform::TemporaryFolder folder_;
  const std::unique_ptr<Engine> calm_ = open(64);
};

TEST_F(SharingTest, TwoModelsAnswerAtOnceAlthoughOneIsFull) {
  const auto engine = open(6);
  const auto first = file(), second = file({.context = 256, .seed = 2});
  const auto full = engine->load(first).value(), roomy = engine->load(second).value();
  std::vector<Reply> of_full, of_roomy;
  for (int i = 0; i < 6; ++i) {
    of_full.push_back(engine->submit(full, request(prompt(60, i), 60)).value());  // 24 blocks, of which there are six
    of_roomy.push_back(engine->submit(roomy, request(prompt(5, i), 10)).value());
  }
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(read(of_roomy[i]).tokens, alone(second, request(prompt(5, static_cast<int>(i)), 10))) << i;
    EXPECT_EQ(read(of_full[i]).tokens, alone(first, request(prompt(60, static_cast<int>(i)), 60))) << i;
  }
}

// Of a model that is dropped, as an unloading does it, the answers in progress and the requests in its queue are served to their end.
TEST_F(SharingTest, AModelThatIsUnloadedServesTheRequestsThatItHas) {
  const auto engine = open(6);
  auto model = engine->load(file()).value();
  auto running = engine->submit(model, request(prompt(60), 60)).value();
  Pause pause(running);
  std::vector<Reply> others;
  for (int i = 1; i < 6; ++i) others.push_back(engine->submit(model, request(prompt(60, i), 60)).value());
  const std::weak_ptr<Model> watched = model;
  model.reset();
  pause.end();
  EXPECT_EQ(read(running).tokens, alone(file(), request(prompt(60), 60)));
  for (int i = 1; i < 6; ++i)
    EXPECT_EQ(read(others[static_cast<std::size_t>(i - 1)]).tokens, alone(file(), request(prompt(60, i), 60))) << i;
  wait_until_idle(*engine);
  while (!watched.expired()) std::this_thread::yield();
}

TEST_F(SharingTest, AnotherModelAnswersWhileOneIsUnloaded) {
  const auto engine = open(64);
  const auto other_file = file({.context = 256, .seed = 2});
  const auto other = engine->load(other_file).value();
  auto answering = engine->submit(other, request(prompt(10), 200)).value();
  ASSERT_TRUE(answering.next());
  for (int i = 0; i < 5; ++i) {
    auto model = engine->load(file()).value();
    auto cancelled = engine->submit(model, request(prompt(10, i), 100)).value();
    model.reset();
    ASSERT_TRUE(cancelled.next());
    cancelled.cancel();
    EXPECT_EQ(read(cancelled).last.finish, FinishReason::kCancelled);
  }
  EXPECT_EQ(read(answering).last.usage.completion_tokens, 200);
}

TEST_F(SharingTest, AnEngineThatGoesEndsEveryRequest) {
  auto engine = open(6);
  const auto first = engine->load(file()).value(), second = engine->load(file({.context = 256, .seed = 2})).value();
  std::vector<Reply> replies;
  for (int i = 0; i < 4; ++i)
    for (const auto& model : {first, second}) replies.push_back(engine->submit(model, request(prompt(60, i), 100)).value());
  ASSERT_TRUE(replies.front().next());
  engine.reset();
  std::vector<std::optional<FinishReason>> ends;
  for (auto& reply : replies) ends.push_back(read(reply).last.finish);
  EXPECT_THAT(ends, Each(FinishReason::kCancelled));
}

TEST_F(SharingTest, WhoLeavesTheQueueMakesRoomInIt) {
  const auto engine = open(4, {.max_queue = 2});
  const auto model = engine->load(file()).value();
  auto running = engine->submit(model, request(prompt(90), 38)).value();
  Pause pause(running);
  auto first = engine->submit(model, request(prompt(90, 1), 1)).value();
  auto second = engine->submit(model, request(prompt(90, 2), 1)).value();
  ASSERT_FALSE(engine->submit(model, request(prompt(5), 1)));
  first.cancel();
  pause.end();
  EXPECT_EQ(read(first).last.finish, FinishReason::kCancelled);
  auto third = engine->submit(model, request(prompt(5), 1));
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_EQ(read(*third).last.finish, FinishReason::kLength);
  EXPECT_EQ(read(second).last.finish, FinishReason::kLength);
  EXPECT_EQ(read(running).last.finish, FinishReason::kLength);
}

// How many tokens of an answer come while a prompt of 1000 tokens is read beside it: one for each step.
int steps_beside_an_answer(const std::filesystem::path& file, int target_ms) {
  const auto engine =
      Engine::open({.threads = 2, .target_latency_ms = target_ms, .kv_bytes = std::uint64_t{64} << 20, .kernels = "mlx"}).value();
  const auto model = engine->load(file).value();
  auto known = engine->submit(model, request(prompt(600, 2), 1)).value();  // the engine measures how fast it reads
  read(known);
  auto answering = engine->submit(model, request(prompt(4), 1000)).value();
  Pause pause(answering);
  auto reading = engine->submit(model, request(prompt(1000, 1), 1)).value();
  reading.on_ready([&] { answering.cancel(); });
  int before = 0;
  while (answering.try_next()) ++before;
  pause.end();
  const int tokens = read(answering).last.usage.completion_tokens - before;
  reading.on_ready(nullptr);
  return tokens;
}

TEST_F(SharingTest, TheLatencyTargetDecidesHowMuchOfAPromptIsReadBetweenTwoTokens) {
  const auto model = file({.dim = 64, .hidden = 256, .context = 4096});
  const int without = steps_beside_an_answer(model, 0), tight = steps_beside_an_answer(model, 1),
            loose = steps_beside_an_answer(model, 60000);
  EXPECT_GE(without, 1000 / 128);
  EXPECT_GT(tight, without) << "a step of 128 tokens takes more than a millisecond";
  EXPECT_LT(loose, without) << "a minute is enough for 512 tokens";
}

}  // namespace
}  // namespace mlxr
