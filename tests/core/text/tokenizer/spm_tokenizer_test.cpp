#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

struct SpmModel {
  //                 0        1      2       3         4         5         6    7    8     9     10     11
  Strings tokens = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "<0x78>", "▁", "a", "b", "ab", "▁a", "▁ab"};
  Integers types = {2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 1};
  std::vector<float> scores = {0, 0, 0, 0, 0, 0, -9, -8, -7, -1, -2, -3};
  bool prefix = false;

  formats::Metadata metadata() const {
    formats::Metadata out;
    out.insert("tokenizer.ggml.model", std::string_view("llama"));
    out.insert("tokenizer.ggml.tokens", tokens);
    out.insert("tokenizer.ggml.token_type", types);
    out.insert("tokenizer.ggml.scores", scores);
    out.insert("tokenizer.ggml.unknown_token_id", std::int64_t{0});
    out.insert("tokenizer.ggml.add_space_prefix", prefix);
    return out;
  }
};

std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}, const SpmModel& model = {}) {
  const auto metadata = model.metadata();
  return Tokenizer::from_metadata(metadata).value()->encode(text, options);
}

TEST(SentencePiece, TheBestScoreMergesFirst) {
  EXPECT_THAT(encode("ab"), ElementsAre(9));
  EXPECT_THAT(encode(" ab"), ElementsAre(11));  // "ab" (-1) before "▁a" (-2), then both to "▁ab"
  EXPECT_THAT(encode(" a"), ElementsAre(10));
}

TEST(SentencePiece, SpellsTheRestInBytes) {
  EXPECT_THAT(encode("é"), ElementsAre(3, 4));
  EXPECT_THAT(encode("x"), ElementsAre(5));
  EXPECT_THAT(encode("y"), ElementsAre(0));  // no byte token either: unknown
}

TEST(SentencePiece, PutsASpaceInFrontWhereTheFileAsks) {
  EXPECT_THAT(encode("ab", {}, {.prefix = true}), ElementsAre(11));
  EXPECT_THAT(encode("ab</s>ab", {.parse_special = true}, {.prefix = true}), ElementsAre(11, 2, 11));
}

TEST(SentencePiece, AddsBosByDefault) { EXPECT_THAT(encode("a", {.add_special = true}), ElementsAre(1, 7)); }

TEST(SentencePiece, PiecesAreBytes) {
  const auto metadata = SpmModel{}.metadata();
  const auto tokenizer = Tokenizer::from_metadata(metadata).value();
  EXPECT_EQ(tokenizer->piece(11), " ab");
  EXPECT_EQ(tokenizer->piece(3), "\xC3");
  EXPECT_EQ(tokenizer->piece(1), "");
  EXPECT_TRUE(tokenizer->ends_generation(2));
}

TEST(SentencePiece, RefusesBadScoresAndByteTokens) {
  const auto error_of = [](const SpmModel& model) { return Tokenizer::from_metadata(model.metadata()).error().code; };
  EXPECT_EQ(error_of({.scores = {0}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.scores = {0, 0, 0, 0, 0, 0, -9, -8, NAN, -1, -2, -3}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.types = {2, 3, 3, 6, 6, 6, 6, 1, 1, 1, 1, 1}}), ErrorCode::kCorrupt);  // "▁" names no byte
}

formats::Metadata with_scores(formats::Value scores) {
  const auto plain = SpmModel{}.metadata();
  formats::Metadata out;
  for (const auto& [key, value] : plain.all()) out.insert(key, key == "tokenizer.ggml.scores" ? scores : value);
  return out;
}

TEST(SentencePiece, ReadsWholeNumberScores) {
  const auto metadata = with_scores(Integers{0, 0, 0, 0, 0, 0, -9, -8, -7, -1, -2, -3});
  EXPECT_THAT(Tokenizer::from_metadata(metadata).value()->encode(" ab"), ElementsAre(11));
}

TEST(SentencePiece, ScoresOfAnotherTypeAreNotCalledDamage) {
  const auto metadata = with_scores(Strings{"0"});
  const auto tokenizer = Tokenizer::from_metadata(metadata);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(tokenizer.error().message,
            "MLXR cannot read this model file: tokenizer.ggml.scores is a list of strings, not a list of numbers.");
}

TEST(SentencePiece, ReadsMergesAsGemma4HasThem) {
  formats::Metadata metadata;
  const SpmModel model;
  metadata.insert("tokenizer.ggml.model", std::string_view("gemma4"));
  metadata.insert("tokenizer.ggml.tokens", model.tokens);
  metadata.insert("tokenizer.ggml.token_type", model.types);
  metadata.insert("tokenizer.ggml.merges", Strings{"▁ a", "a b", "▁a b"});
  const auto tokenizer = Tokenizer::from_metadata(metadata).value();
  EXPECT_THAT(tokenizer->encode(" ab"), ElementsAre(11));
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(9));
  EXPECT_THAT(tokenizer->encode("é"), ElementsAre(3, 4));
}

}  // namespace
}  // namespace mlxr::text
