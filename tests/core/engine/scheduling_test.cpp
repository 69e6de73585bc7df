// How requests share the engine: turns, pages, several models, failures. With tiny models, whose answers mean nothing and are always the
// same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <atomic>
#include <cstdlib>
#include <future>
#include <latch>
#include <stdexcept>

#include "core/engine/disposer.h"
#include "core/engine/loaded_model.h"
#include "core/engine/pace.h"
#include "core/engine/scheduler.h"
#include "core/ops/forwarding_ops.h"
#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr Sampling kGreedy{.temperature = 0};

Request request(std::vector<TokenId> tokens, int max_tokens) {
  return {.prompt = std::move(tokens), .max_tokens = max_tokens, .sampling = kGreedy, .ignore_end = true};
}

class SchedulingTest : public ::testing::Test {
 protected:
  // A model that has room for `tokens` tokens in all sequences together.
  std::shared_ptr<Model> load(Engine& engine, int context, std::uint32_t seed = 1) {
    const auto file = folder_.path / (std::to_string(seed) + ".gguf");
    write_tiny_model(file, {.context = static_cast<std::uint32_t>(context), .seed = seed});
    return engine.load(file).value();
  }
  // With an arena of this many blocks.
  static std::unique_ptr<Engine> open(int blocks, EngineOptions options = {}) {
    options.threads = 2;
    options.kernels = "mlx";
    options.kv_bytes = static_cast<std::uint64_t>(blocks) * kTinyBlockBytes;
    return Engine::open(options).value();
  }
  static Answer alone(Engine& engine, const std::shared_ptr<Model>& model, const Request& request) {
    auto reply = engine.submit(model, request).value();
    return read(reply);
  }

  platform::TemporaryFolder folder_;
};

TEST_F(SchedulingTest, AFullModelHoldsUpNoOtherModel) {
  const auto engine = open(4);
  const auto full = load(*engine, 128), idle = load(*engine, 128, 2);
  auto running = engine->submit(full, request(prompt(90), 30)).value();
  Pause pause(running);
  auto waiting = engine->submit(full, request(prompt(90), 30)).value();
  auto other = engine->submit(idle, request(prompt(5), 1)).value();
  std::vector<std::string> order;
  const auto note = [&](Reply& reply, const char* name) {
    reply.on_ready([&, name] {
      if (order.empty() || order.back() != name) order.push_back(name);
    });
  };
  note(waiting, "waiting");
  note(other, "other");
  pause.end();
  read(other);
  read(running);
  read(waiting);
  waiting.on_ready(nullptr);
  other.on_ready(nullptr);
  EXPECT_THAT(order, ::testing::ElementsAre("other", "waiting"));
}

TEST_F(SchedulingTest, AFullQueueRefusesRequestsOfItsOwnModelOnly) {
  const auto engine = open(4, {.max_queue = 1});
  const auto full = load(*engine, 128), idle = load(*engine, 128, 2);
  auto running = engine->submit(full, request(prompt(90), 30)).value();
  Pause pause(running);
  auto waiting = engine->submit(full, request(prompt(90), 1)).value();
  const auto refused = engine->submit(full, request(prompt(5), 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  auto other = engine->submit(idle, request(prompt(5), 1));
  pause.end();
  ASSERT_TRUE(other) << other.error().message;
  read(*other);
  read(running);
  read(waiting);
}

// Three answers that need nine blocks together, in four: the younger ones give theirs back and read their text again later.
TEST_F(SchedulingTest, AnswersThatOutgrowTheirArenaAreThoseTheyWouldBeAlone) {
  const auto engine = open(4, {.max_batch_tokens = 16});
  const auto model = load(*engine, 128);
  std::vector<Answer> want;
  for (int i = 0; i < 3; ++i) want.push_back(alone(*engine, model, request(prompt(20, i), 60)));
  std::vector<Reply> replies;
  for (int i = 0; i < 3; ++i) replies.push_back(engine->submit(model, request(prompt(20, i), 60)).value());
  for (int i = 0; i < 3; ++i) {
    const auto got = read(replies[static_cast<std::size_t>(i)]);
    EXPECT_EQ(got.tokens, want[static_cast<std::size_t>(i)].tokens) << i;
    EXPECT_EQ(got.last.finish, FinishReason::kLength);
    EXPECT_EQ(got.last.usage.completion_tokens, 60);
  }
}

// A chat that may use the whole context takes only the pages that it uses: a short chat does not wait for it.
TEST_F(SchedulingTest, ManyShortChatsWithoutALimitRunBesideEachOther) {
  const auto engine = open(8);
  const auto model = load(*engine, 256);
  auto first = engine->submit(model, request(prompt(10), -1)).value();
  Pause pause(first);
  std::vector<Reply> others;
  for (int i = 0; i < 3; ++i) others.push_back(engine->submit(model, request(prompt(10, i), -1)).value());
  pause.end();
  for (auto& other : others) ASSERT_TRUE(other.next());  // while the first is still at it
  EXPECT_EQ(engine->status().running + engine->status().waiting, 4);
  first.cancel();
}

TEST_F(SchedulingTest, ARequestThatIsCancelledInTheQueueCountsNoPromptTokens) {
  const auto engine = open(4);
  const auto model = load(*engine, 128);
  auto running = engine->submit(model, request(prompt(100), 20)).value();
  Pause pause(running);
  {
    auto waiting = engine->submit(model, request(prompt(100), 20)).value();
    waiting.cancel();
  }
  pause.end();
  read(running);
  while (engine->status().running + engine->status().waiting > 0) std::this_thread::yield();
  EXPECT_EQ(engine->status().prompt_tokens, 100u);
}

TEST_F(SchedulingTest, AModelOfAnotherEngineIsRefused) {
  const auto engine = open(4), other = open(4);
  const auto model = load(*other, 128);
  const auto refused = engine->submit(model, request(prompt(3), 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("was not loaded by this engine"));
}

// The daemon unloads a model by dropping it: an answer in progress keeps it until its end, and then it is destroyed.
TEST_F(SchedulingTest, AnAnswerOutlivesTheUnloadingOfItsModel) {
  const auto engine = open(4);
  auto model = load(*engine, 128);
  const auto want = alone(*engine, model, request(prompt(10), 60));
  auto reply = engine->submit(model, request(prompt(10), 60)).value();
  std::weak_ptr<Model> watched = model;
  Pause pause(reply);
  model.reset();
  EXPECT_FALSE(watched.expired());
  pause.end();
  const auto got = read(reply);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.last.finish, FinishReason::kLength);
  while (!watched.expired()) std::this_thread::yield();  // on the scheduler's thread, after the last event
  model = load(*engine, 128);
  EXPECT_EQ(alone(*engine, model, request(prompt(10), 60)).tokens, want.tokens);
}

TEST_F(SchedulingTest, AModelThatDoesNotFitIsRefusedBeforeItsWeightsAreRead) {
  const auto engine = open(4);
  write_tiny_model(folder_.path / "m.gguf");
  ModelInfo seen;
  const auto refused = engine->load(folder_.path / "m.gguf", {.admit = [&](const ModelInfo& info) -> Result<void> {
                                      seen = info;
                                      return fail(ErrorCode::kOverloaded, "no room");
                                    }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "no room");
  EXPECT_EQ(seen.weight_bytes, 4 * seen.parameters);  // MLX expressions take float32
  EXPECT_EQ(seen.memory_bytes(), seen.weight_bytes + seen.kv_bytes);
}

// Another program writes to the file while it is loaded: between the look at its description and the reading of its weights.
TEST_F(SchedulingTest, AFileThatChangesWhileItIsLoadedIsRefused) {
  const auto engine = open(4);
  const auto file = folder_.path / "m.gguf";
  const auto load_while = [&](const std::function<void()>& change) {
    write_tiny_model(file);
    const auto loaded = engine->load(file, {.admit = [&](const ModelInfo&) -> Result<void> {
                                       change();
                                       return {};
                                     }});
    EXPECT_FALSE(loaded);
    return loaded ? Error{} : loaded.error();
  };
  const auto cut = load_while([&] { std::filesystem::resize_file(file, 4096); });
  EXPECT_EQ(cut.code, ErrorCode::kCorrupt);
  EXPECT_THAT(cut.message, HasSubstr("became shorter while it was read"));
  const auto changed =
      load_while([&] { std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1)); });
  EXPECT_EQ(changed.code, ErrorCode::kCorrupt);
  EXPECT_THAT(changed.message, HasSubstr("was changed by another program"));
}

// A program that clears the cache cuts files short instead of deleting them.
TEST_F(SchedulingTest, ACacheThatIsCutDuringAnAnswerEndsTheAnswerAlone) {
  const auto engine = Engine::open({.threads = 2, .kernels = "scalar", .kernel_pack = std::getenv("MLXR_KERNEL_PACK")}).value();
  ASSERT_EQ(engine->status().kernels.variant, "scalar") << engine->status().kernels.warning;
  const auto file = folder_.path / "m.gguf", cache = folder_.path / "cache";
  write_tiny_model(file, {.layers = 4, .dim = 64, .hidden = 256});
  const LoadOptions options{.panel_folder = cache, .digest = std::string(64, 'a')};
  engine->load(file, options).value();
  const auto kept = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(cache))
      if (entry.path().extension() == ".panels") return entry.path();
    return std::filesystem::path();
  };
  while (kept().empty()) std::this_thread::yield();
  auto model = engine->load(file, options).value();
  const auto want = alone(*engine, model, request(prompt(10), 20));
  auto reply = engine->submit(model, request(prompt(10), 100)).value();
  Pause pause(reply);
  std::filesystem::resize_file(kept(), 4096);
  pause.end();
  const auto got = read(reply);
  ASSERT_EQ(got.last.finish, FinishReason::kError);
  EXPECT_EQ(got.last.error->code, ErrorCode::kIo);
  EXPECT_THAT(got.last.error->message, HasSubstr("cut short"));
  model = engine->load(file, options).value();
  EXPECT_EQ(alone(*engine, model, request(prompt(10), 20)).tokens, want.tokens);
}

// MLX expressions that throw when they meet one of two tokens.
class Fragile final : public ops::ForwardingOps {
 public:
  static constexpr TokenId kPoison = 251, kTooLarge = 252;
  explicit Fragile(bool at_once) : ForwardingOps(ops::make_mlx_ops()), at_once_(at_once) {}
  ops::mx::array embed(const ops::Step& step, const ops::Weight& table, float scale) const override {
    if (std::ranges::find(step.batch.tokens, kTooLarge) != step.batch.tokens.end()) throw std::bad_alloc();
    return ForwardingOps::embed(step, table, scale);
  }
  // Fails as an MLX operation may: the expression that was to be the new cache has taken the old one along.
  void kv_store(const ops::Step& step, ops::LayerCache& cache, const ops::mx::array& k, const ops::mx::array& v) const override {
    if (std::ranges::find(step.batch.tokens, kPoison) != step.batch.tokens.end()) {
      if (!at_once_) cache.k = cache.v = ops::mx::array(0.0f);
      throw std::runtime_error("a kernel failed");
    }
    ForwardingOps::kv_store(step, cache, k, v);
  }
  bool computes_at_once() const override { return at_once_; }

 private:
  bool at_once_;
};

TEST_F(SchedulingTest, AnExceptionInAStepEndsThatRequestAlone) {
  for (const bool at_once : {true, false}) {
    write_tiny_model(folder_.path / "m.gguf");
    auto loaded = engine::LoadedModel::load(platform::OpenFile::open(folder_.path / "m.gguf").value(), {},
                                            {.bytes = 1 << 20, .type = quant::Type::kF16, .batch_tokens = 8},
                                            std::make_shared<const Fragile>(at_once));
    ASSERT_TRUE(loaded) << loaded.error().message;
    const std::shared_ptr<engine::LoadedModel> model = *std::move(loaded);
    engine::Scheduler scheduler({.max_batch_tokens = 8});
    const auto submit = [&](Request one) {
      auto reply = std::make_shared<Reply::State>();
      const int most = one.max_tokens;
      EXPECT_TRUE(scheduler.submit(std::make_unique<engine::Session>(model, std::move(one), most, reply)));
      return Reply(reply);
    };
    auto good = submit(request(prompt(30), 20));
    const auto want = read(good);
    auto again = submit(request(prompt(30), 20));
    const auto error_with = [&](TokenId token) {
      auto tokens = prompt(12);
      tokens.push_back(token);
      auto bad = submit(request(tokens, 20));
      const auto failed = read(bad);
      EXPECT_EQ(failed.last.finish, FinishReason::kError);
      return failed.last.error.value_or(Error{});
    };
    const auto failure = error_with(Fragile::kPoison);
    EXPECT_EQ(failure.code, ErrorCode::kInternal);
    EXPECT_THAT(failure.message, HasSubstr("a kernel failed"));
    const auto shortage = error_with(Fragile::kTooLarge);
    EXPECT_EQ(shortage.code, ErrorCode::kOverloaded);
    EXPECT_THAT(shortage.message, HasSubstr("not enough memory"));
    EXPECT_EQ(read(again).tokens, want.tokens);
    auto after = submit(request(prompt(30), 20));
    EXPECT_EQ(read(after).tokens, want.tokens);
  }
}

TEST(DisposerTest, TheLastOwnerReturnsBeforeTheObjectIsDestroyed) {
  struct Heavy {
    std::latch& may_go;
    std::promise<std::thread::id>& gone;
    ~Heavy() {
      may_go.wait();
      gone.set_value(std::this_thread::get_id());
    }
  };
  std::latch may_go(1);
  std::promise<std::thread::id> gone;
  auto disposer = engine::Disposer::make();
  auto object = disposer->watch(std::unique_ptr<Heavy>(new Heavy{may_go, gone}));
  object.reset();  // returns though the destructor waits
  may_go.count_down();
  EXPECT_NE(gone.get_future().get(), std::this_thread::get_id());
}

TEST(DisposerTest, DestroysWhatItHasBeforeItGoes) {
  bool destroyed = false;
  struct Flag {
    bool& set;
    ~Flag() { set = true; }
  };
  auto disposer = engine::Disposer::make();
  auto object = disposer->watch(std::unique_ptr<Flag>(new Flag{destroyed}));
  disposer.reset();  // the object keeps it
  object.reset();
  EXPECT_TRUE(destroyed);
}

TEST(PromptPaceTest, AShortLastPartDoesNotCountAsFast) {
  engine::PromptPace pace;
  EXPECT_EQ(pace.part_within(50ms, 512), 512) << "nothing is known yet";
  pace.measured(512, 750ms);
  const int part = pace.part_within(50ms, 512);
  EXPECT_NEAR(part, 34, 1);
  pace.measured(1, 1.5ms);  // the end of a prompt
  EXPECT_EQ(pace.part_within(50ms, 512), part);
  pace.measured(0, 1ms);
  EXPECT_EQ(pace.part_within(50ms, 512), part);
}

TEST(PromptPaceTest, PartsHaveALeastAndAMostSize) {
  engine::PromptPace pace;
  pace.measured(100, 100s);
  EXPECT_EQ(pace.part_within(50ms, 512), engine::PromptPace::kSmallestPart);
  EXPECT_EQ(pace.part_within(50ms, 8), 8);
  pace.measured(100, 1us);
  EXPECT_EQ(pace.part_within(60000ms, 512), 512);
}

}  // namespace
}  // namespace mlxr
