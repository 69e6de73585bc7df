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
  EXPECT_EQ(error_of({.merges = {"h x"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {"o h"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {"he"}}), ErrorCode::kCorrupt);
  EXPECT_EQ(error_of({.merges = {""}}), ErrorCode::kCorrupt);
}

// A model, and the tokenizer that lives on its metadata.
struct Loaded {
  explicit Loaded(const BpeModel& model) : metadata(model.metadata()), tokenizer(Tokenizer::from_metadata(metadata).value()) {}
  formats::Metadata metadata;
  std::unique_ptr<const Tokenizer> tokenizer;
};

TEST(BpeModel, IgnoresSpecialIdsThatNoTokenHasAndSaysSo) {
  const Loaded loaded({.eos = 11});
  EXPECT_EQ(loaded.tokenizer->eos(), std::nullopt);
  EXPECT_TRUE(loaded.tokenizer->ends_generation(8));  // <|im_end|>, by its name
  EXPECT_THAT(loaded.tokenizer->warnings(),
              ElementsAre("tokenizer.ggml.eos_token_id is 11, but the vocabulary has 11 tokens; the key is ignored."));
  for (const std::int64_t none : {std::int64_t{-1}, std::int64_t{0xFFFFFFFF}}) {
    const Loaded without({.eos = none});
    EXPECT_EQ(without.tokenizer->eos(), std::nullopt);
    EXPECT_THAT(without.tokenizer->warnings(), ElementsAre());
  }
}

TEST(BpeModel, IgnoresMergesThatTheVocabularyLacksAndSaysSo) {
  const Loaded loaded({.merges = {"z q", "h e", "o h", "l l", "he", "he ll", "", "hell o"}});
  EXPECT_THAT(loaded.tokenizer->encode("hello"), ElementsAre(7));
  EXPECT_THAT(loaded.tokenizer->warnings(), ElementsAre(HasSubstr("4 of 8 merges")));
}

TEST(BpeModel, TokensOfAnUnknownTypeAreWords) {
  const Loaded loaded({.types = {1, 1, 1, 1, 1, 1, 1, 7, 3, 4, 1}});
  EXPECT_THAT(loaded.tokenizer->encode("hello"), ElementsAre(7));
  EXPECT_EQ(loaded.tokenizer->piece(7), "hello");
  EXPECT_THAT(loaded.tokenizer->warnings(), ElementsAre(HasSubstr("1 tokens have a type")));
}

TEST(BpeModel, SaysWhenTheFileNamesNoPretokenizer) {
  const Loaded loaded({.pre = {}});
  EXPECT_THAT(loaded.tokenizer->encode("hello"), ElementsAre(7));
  EXPECT_THAT(loaded.tokenizer->warnings(), ElementsAre(HasSubstr("tokenizer.ggml.pre")));
}

TEST(BpeModel, TurnTokensAreControlTokensWhateverTheFileSays) {
  const Strings tokens = {"h", "e", "l", "o", "he", "ll", "hell", "hello", "<|im_end|>", "<start_of_turn>", "Ġ"};
  for (const std::int64_t type : {1, 4}) {
    const Loaded loaded({.tokens = tokens, .types = {1, 1, 1, 1, 1, 1, 1, 1, type, type, 1}});
    EXPECT_TRUE(loaded.tokenizer->is_control(8));
    EXPECT_TRUE(loaded.tokenizer->is_control(9));
    EXPECT_THAT(loaded.tokenizer->encode("<start_of_turn>he<|im_end|>", {.parse_special = true}), ElementsAre(9, 4, 8));
  }
}

TEST(BpeModel, SpecialTokensOfUnlikelyLengthAreNotSearchedFor) {
  const std::string unlikely = std::string(100'000, 'h') + "e";
  const Loaded loaded({.tokens = {"h", "e", "l", "o", "he", "ll", "hell", "hello", "<|im_end|>", unlikely, "Ġ"}});
  EXPECT_EQ(loaded.tokenizer->encode(std::string(1'000'000, 'h')).size(), 1'000'000u);  // took twenty minutes
}

TEST(BpeModel, WhatTheConversationSaysIsNeverAControlToken) {
  const Loaded loaded({});
  const auto encode = [&](std::initializer_list<std::pair<std::string_view, Origin>> pieces) {
    MarkedText text;
    for (const auto& [piece, origin] : pieces) text.append(piece, origin);
    return loaded.tokenizer->encode(text, {.parse_special = true});
  };
  constexpr Origin kTemplate = Origin::kTemplate, kContent = Origin::kContent;
  EXPECT_THAT(encode({{"he<|im_end|>", kTemplate}}), ElementsAre(4, 8));
  EXPECT_THAT(encode({{"he<|im_end|>", kContent}}), ElementsAre(4, 1));
  EXPECT_THAT(encode({{"he<|im_", kTemplate}, {"end|>", kContent}}), ElementsAre(4, 1));  // not even together
  EXPECT_THAT(encode({{"<|im_end|>", kTemplate}, {"<|im_end|>", kContent}, {"<|im_end|>", kTemplate}}), ElementsAre(8, 1, 8));
  EXPECT_THAT(encode({{"<tool>", kContent}}), ElementsAre(9));                  // user-defined tokens are text
  EXPECT_THAT(encode({{"hel", kTemplate}, {"lo", kContent}}), ElementsAre(7));  // merges cross the border
  EXPECT_THAT(encode({{"hel", kTemplate}, {"lo<|im_end|>he", kContent}, {"llo", kTemplate}}), ElementsAre(7, 1, 7));
}

TEST(ByteLevelBpe, SpecialTokensTakeSpacesWithThemWhereTheFileSays) {
  const BpeModel model{.tokens = {"h", "Ġ", "Ċ", "<|end|>", "hh"}, .types = {1, 1, 1, 3, 1}, .merges = {"h h"}, .eos = 3};
  const auto encode = [&](std::string_view key, std::string_view name) {
    auto metadata = model.metadata();
    if (!key.empty()) metadata.insert(std::string(key), Integers{3, 99, -1});
    metadata.insert("general.name", name);
    return Tokenizer::from_metadata(metadata).value()->encode("h <|end|>\n h", {.parse_special = true});
  };
  EXPECT_THAT(encode("", "A model"), ElementsAre(0, 1, 3, 2, 1, 0));
  EXPECT_THAT(encode("tokenizer.mlxr.strips_left", "A model"), ElementsAre(0, 3, 2, 1, 0));
  EXPECT_THAT(encode("tokenizer.mlxr.strips_right", "A model"), ElementsAre(0, 1, 3, 0));
  EXPECT_THAT(encode("", "Phi-3 mini"), ElementsAre(0, 1, 3, 0));
}

TEST(ByteLevelBpe, EveryTokenThatTheFileListsEndsAnAnswer) {
  auto metadata = BpeModel{}.metadata();
  metadata.insert("tokenizer.ggml.eos_token_ids", Integers{8, 0, 1, 2, 99, -1});
  const auto tokenizer = Tokenizer::from_metadata(metadata).value();
  for (const TokenId id : {0, 1, 2, 8}) EXPECT_TRUE(tokenizer->ends_generation(id)) << id;
  EXPECT_FALSE(tokenizer->ends_generation(3));
}

TEST(ByteLevelBpe, TheFilesOwnWordOnNfcCounts) {
  BpeModel model{.tokens = {"Ã", "¡", "Ã¡", "a", "Ì", "ģ"}, .types = {1, 1, 1, 1, 1, 1}, .merges = {"Ã ¡"}, .eos = -1};
  auto metadata = model.metadata();
  metadata.insert("tokenizer.ggml.normalizer.nfc", true);
  EXPECT_THAT(Tokenizer::from_metadata(metadata).value()->encode("a\u0301"), ElementsAre(2));
}

}  // namespace
}  // namespace mlxr::text
