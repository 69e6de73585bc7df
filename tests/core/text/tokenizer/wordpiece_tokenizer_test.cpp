#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

struct BertModel {
  //                0        1        2        3        4         5         6       7      8      9
  Strings tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁play", "▁plays", "ing", "▁!", "▁中", "▁cafe"};
  Integers types = {3, 3, 3, 3, 1, 1, 1, 1, 1, 1};

  formats::Metadata metadata() const {
    formats::Metadata out;
    out.insert("tokenizer.ggml.model", std::string_view("bert"));
    out.insert("tokenizer.ggml.tokens", tokens);
    out.insert("tokenizer.ggml.token_type", types);
    return out;
  }
};

std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}, formats::Metadata metadata = BertModel{}.metadata()) {
  return Tokenizer::from_metadata(metadata).value()->encode(text, options);
}

TEST(WordPiece, TakesTheLongestTokenAgainAndAgain) {
  EXPECT_THAT(encode("play plays playing"), ElementsAre(4, 5, 4, 6));
  EXPECT_THAT(encode("played play"), ElementsAre(1, 4));  // a word that has no spelling is unknown as a whole
  EXPECT_THAT(encode("ing"), ElementsAre(1));             // no word begins with it
  EXPECT_THAT(encode("play" + std::string(97, 'x')), ElementsAre(1));
}

// GGUF marks tokens that begin a word with a letter that a text may have, too.
TEST(WordPiece, TheMarkOfAWordInATextMarksNothing) {
  EXPECT_THAT(encode("play▁play"), ElementsAre(1));
  EXPECT_THAT(encode("▁"), ElementsAre(1));
  BertModel model;
  model.tokens[9] = "▁▁";
  model.tokens[8] = "▁";
  EXPECT_THAT(encode("▁ing ▁", {}, model.metadata()), ElementsAre(9, 6, 9));
}

// It would leave parts of characters behind, which are no text. The second byte of "中" is here a token that people add.
TEST(WordPiece, ATokenThatIsAPartOfACharacterIsInNoText) {
  BertModel model;
  model.tokens[9] = "\xB8";
  model.types[9] = 4;
  EXPECT_THAT(encode("中play", {}, model.metadata()), ElementsAre(8, 4));
}

TEST(WordPiece, NormalizesAsBertDoes) {
  EXPECT_THAT(encode("PLAY!\tCafé\u0000"), ElementsAre(4, 7, 9));
  EXPECT_THAT(encode("中中play"), ElementsAre(8, 8, 4));
  EXPECT_THAT(encode("pl\u00ADay"), ElementsAre(4));
  EXPECT_TRUE(encode("").empty());
  EXPECT_TRUE(encode(" \u3000 ").empty());
}

TEST(WordPiece, KeepsCaseWhereTheVocabularyHasIt) {
  BertModel model;
  model.tokens[9] = "▁Café";
  EXPECT_THAT(encode("Café", {}, model.metadata()), ElementsAre(9));
  EXPECT_THAT(encode("café", {}, model.metadata()), ElementsAre(1));
  auto metadata = BertModel{}.metadata();
  metadata.insert("tokenizer.ggml.normalizer.lowercase", false);
  EXPECT_THAT(encode("Play", {}, metadata), ElementsAre(1));
}

TEST(WordPiece, PutsATextBetweenClsAndSep) {
  EXPECT_THAT(encode("play", {.add_special = true}), ElementsAre(2, 4, 3));
  auto metadata = BertModel{}.metadata();
  metadata.insert("tokenizer.ggml.add_sep_token", false);
  EXPECT_THAT(encode("play", {.add_special = true}, metadata), ElementsAre(2, 4));
}

TEST(WordPiece, PiecesAreText) {
  const auto metadata = BertModel{}.metadata();
  const auto tokenizer = Tokenizer::from_metadata(metadata).value();
  EXPECT_EQ(tokenizer->piece(4) + tokenizer->piece(6), " playing");
}

}  // namespace
}  // namespace mlxr::text
