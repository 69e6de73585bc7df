#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ErrorCode error_of(const BpeModel& model) { return Tokenizer::from_metadata(model.metadata()).error().code; }

class Bpe : public testing::Test {
 protected:
  const formats::Metadata metadata_ = BpeModel{}.metadata();
  const std::unique_ptr<const Tokenizer> tokenizer_ = Tokenizer::from_metadata(metadata_).value();
};

TEST_F(Bpe, MergesInTheOrderOfTheList) {
  EXPECT_THAT(tokenizer_->encode("hello"), ElementsAre(7));
  EXPECT_THAT(tokenizer_->encode("helo"), ElementsAre(4, 2, 3));
  EXPECT_THAT(tokenizer_->encode(" hello"), ElementsAre(10, 7));
}

TEST_F(Bpe, LongWordsMergeAsShortOnesDo) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "hello";
  EXPECT_EQ(tokenizer_->encode(text), std::vector<TokenId>(100'000, 7));
}

TEST_F(Bpe, ControlTokensAreTextUnlessAskedFor) {
  EXPECT_THAT(tokenizer_->encode("he<|im_end|>", {.parse_special = true}), ElementsAre(4, 8));
  EXPECT_THAT(tokenizer_->encode("<|im_end|>"), ElementsAre(1));  // of these bytes the vocabulary knows only "e"
}

TEST_F(Bpe, UserDefinedTokensAreAlwaysRecognised) { EXPECT_THAT(tokenizer_->encode("he<tool>o"), ElementsAre(4, 9, 3)); }

TEST_F(Bpe, PiecesAreBytes) {
  EXPECT_EQ(tokenizer_->piece(7), "hello");
  EXPECT_EQ(tokenizer_->piece(10), " ");
  EXPECT_EQ(tokenizer_->piece(9), "<tool>");
  EXPECT_EQ(tokenizer_->piece(8), "");
  EXPECT_EQ(tokenizer_->piece(8, true), "<|im_end|>");
  EXPECT_EQ(tokenizer_->piece(-1), "");
  EXPECT_EQ(tokenizer_->piece(11), "");
}

TEST_F(Bpe, KnowsWhatEndsAnAnswer) {
  EXPECT_TRUE(tokenizer_->ends_generation(8));
  EXPECT_FALSE(tokenizer_->ends_generation(7));
  EXPECT_EQ(tokenizer_->eos(), 8);
  EXPECT_EQ(tokenizer_->bos(), std::nullopt);
}

TEST(BpeModel, NamesAnUnknownPretokenizer) {
  const auto metadata = BpeModel{.pre = "from-the-future"}.metadata();
  const auto tokenizer = Tokenizer::from_metadata(metadata);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("from-the-future"));
}

TEST(BpeModel, RefusesVocabulariesThatContradictThemselves) {
  EXPECT_EQ(error_of({.tokens = {}, .types = {}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.types = {1, 1}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.types = {1, 1, 1, 1, 1, 1, 1, 1, 7, 4, 1}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {"h x"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {"o h"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {"he"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {""}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.eos = 11}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.eos = -1}), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace mlxr::text
