// Embeddings of whole texts: of encoders, and of models that also write. With tiny models on MLX expressions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <cmath>
#include <numeric>

#include "tests/core/engine/answers.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using ::testing::HasSubstr;

using Values = std::vector<float>;

constexpr std::uint32_t kMean = 1, kFirst = 2, kLast = 3;

class EmbeddingTest : public ::testing::Test {
 protected:
  std::shared_ptr<Model> load(const TinyShape& shape) {
    write_tiny_model(folder_.path / "m.gguf", shape);
    return engine_->load(folder_.path / "m.gguf").value();
  }
  Reply submit(const std::shared_ptr<Model>& model, std::vector<TokenId> tokens) {
    return engine_->submit(model, {.prompt = std::move(tokens), .output = Output::kEmbedding}).value();
  }
  Values embedding(const std::shared_ptr<Model>& model, std::vector<TokenId> tokens) {
    auto reply = submit(model, std::move(tokens));
    return read(reply).last.embedding;
  }
  Answer text(const std::shared_ptr<Model>& model, std::vector<TokenId> tokens, int max_tokens = 4) {
    auto reply = engine_->submit(model, {.prompt = std::move(tokens), .max_tokens = max_tokens, .sampling = {.temperature = 0}}).value();
    return read(reply);
  }

  platform::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_ = Engine::open({.max_batch_tokens = 32, .kernels = "mlx"}).value();
};

double length(const Values& v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }

TEST_F(EmbeddingTest, HasTheLengthOneAndAnEnd) {
  const auto model = load({.two_sided = true});
  auto reply = submit(model, prompt(20));
  const auto answer = read(reply);
  EXPECT_EQ(answer.last.embedding.size(), 32u);
  EXPECT_NEAR(length(answer.last.embedding), 1, 1e-6);
  EXPECT_EQ(answer.last.finish, FinishReason::kStop);
  EXPECT_EQ(answer.last.text, "");
  EXPECT_EQ(answer.last.usage.prompt_tokens, 20);
  EXPECT_EQ(answer.last.usage.completion_tokens, 0);
}

// A text of an encoder is one step, also where it is longer than max_batch_tokens; short ones share a step.
TEST_F(EmbeddingTest, OfManyTextsAtOnceIsThatOfEachAlone) {
  for (const auto& shape : {TinyShape{.two_sided = true}, {.two_sided = true, .pooling = kFirst}, {.pooling = kMean}, {.pooling = kLast}}) {
    const auto model = load(shape);
    std::vector<Values> alone;
    for (int i = 0; i < 9; ++i) alone.push_back(embedding(model, prompt(1 + 20 * i, i)));
    std::vector<Reply> replies;
    for (int i = 0; i < 9; ++i) replies.push_back(submit(model, prompt(1 + 20 * i, i)));
    for (std::size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(read(replies[i]).last.embedding, alone[i]) << i;
  }
}

// Nothing is kept between steps: there are blocks for one of them, in which each text may begin one that it does not fill.
TEST_F(EmbeddingTest, NeedsACacheForOneStep) {
  const auto model = load({.context = 256, .two_sided = true});
  constexpr int kTexts = 64, kOfContext = 256 / 32;
  EXPECT_EQ(model->info().kv_bytes, (kOfContext + kTexts) * kTinyBlockBytes);
  const auto expected = embedding(model, prompt(33));
  std::vector<Reply> replies;
  for (int i = 0; i < kTexts; ++i) replies.push_back(submit(model, prompt(i % 2 == 0 ? 33 : 65)));
  for (std::size_t i = 0; i < kTexts; i += 2) EXPECT_EQ(read(replies[i]).last.embedding, expected);
}

// The last token changes the row of the first, if attention is two-sided, and does not if it is causal.
TEST_F(EmbeddingTest, SeesTheWholeTextOrWhatComesBefore) {
  auto other = prompt(40);
  other.back() += 1;
  const auto encoder = load({.two_sided = true, .pooling = kFirst});
  EXPECT_NE(embedding(encoder, prompt(40)), embedding(encoder, other));
  const auto causal = load({.pooling = kFirst});
  EXPECT_EQ(embedding(causal, prompt(40)), embedding(causal, other));
}

// Nothing that is stored of a text of an encoder holds for a longer one.
TEST_F(EmbeddingTest, OfALongerTextDoesNotDependOnAShorterOneBefore) {
  for (const bool two_sided : {true, false}) {
    for (const auto pooling : {kMean, kFirst, kLast}) {
      const TinyShape shape{.two_sided = two_sided, .pooling = pooling};
      const auto fresh = embedding(load(shape), prompt(100));
      const auto model = load(shape);
      embedding(model, prompt(70));
      EXPECT_EQ(embedding(model, prompt(100)), fresh) << two_sided << pooling;
    }
  }
}

TEST_F(EmbeddingTest, OfTheLastRowUsesWhatIsStored) {
  const auto model = load({.pooling = kLast});
  text(model, prompt(100));
  auto reply = submit(model, prompt(120));
  const auto answer = read(reply);
  EXPECT_EQ(answer.last.usage.cached_tokens, 96);
  EXPECT_EQ(answer.last.embedding, embedding(load({.pooling = kLast}), prompt(120)));
}

TEST_F(EmbeddingTest, OfAModelThatWritesMeanwhile) {
  const auto model = load({.context = 256, .pooling = kMean});
  const auto alone = text(model, prompt(30), 60).tokens;
  const auto expected = embedding(model, prompt(90, 7));
  auto writing = engine_->submit(model, {.prompt = prompt(30), .max_tokens = 60, .sampling = {.temperature = 0}}).value();
  auto reply = submit(model, prompt(90, 7));
  EXPECT_EQ(read(reply).last.embedding, expected);
  EXPECT_EQ(read(writing).tokens, alone);
}

TEST_F(EmbeddingTest, IsAllThatAnEncoderMakes) {
  const auto model = load({.two_sided = true});
  EXPECT_FALSE(model->info().writes_text);
  const auto refused = engine_->submit(model, {.prompt = prompt(5)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("makes embeddings"));
}

TEST_F(EmbeddingTest, OfATextThatIsLongerThanTheContextIsRefused) {
  const auto model = load({.context = 64, .two_sided = true});
  EXPECT_EQ(embedding(model, prompt(64)).size(), 32u);
  const auto refused = engine_->submit(model, {.prompt = prompt(65), .output = Output::kEmbedding});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kContextExceeded);
  const auto outside = engine_->submit(model, {.prompt = prompt(5), .output = Output::kEmbedding, .second = 5});
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().message, HasSubstr("second"));
}

TEST_F(EmbeddingTest, ThatIsCancelledEndsAndLeavesTheOthers) {
  const auto model = load({.two_sided = true});
  const auto expected = embedding(model, prompt(80));
  std::vector<Reply> replies;
  for (int i = 0; i < 6; ++i) replies.push_back(submit(model, prompt(80)));
  for (int i = 0; i < 6; i += 2) replies[static_cast<std::size_t>(i)].cancel();
  for (std::size_t i = 1; i < 6; i += 2) EXPECT_EQ(read(replies[i]).last.embedding, expected);
  for (std::size_t i = 0; i < 6; i += 2) EXPECT_TRUE(read(replies[i]).last.finish);  // by its end, if that came first
}

}  // namespace
}  // namespace mlxr
