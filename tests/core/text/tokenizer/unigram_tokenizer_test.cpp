#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/text/charsmap.h"
#include "core/text/utf8.h"
#include "small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

struct UnigramModel {
  //                0        1       2        3     4    5    6     7
  Strings tokens = {"<pad>", "</s>", "<unk>", "▁", "a", "b", "ab", "▁ab"};
  Integers types = {3, 3, 2, 1, 1, 1, 1, 1};
  std::vector<float> scores = {0, 0, 0, -2, -3, -3, -4, -7};
  bool prefix = true, merges_spaces = true;

  formats::Metadata metadata() const {
    formats::Metadata out;
    out.insert("tokenizer.ggml.model", std::string_view("t5"));
    out.insert("tokenizer.ggml.tokens", tokens);
    out.insert("tokenizer.ggml.token_type", types);
    out.insert("tokenizer.ggml.scores", scores);
    out.insert("tokenizer.ggml.add_space_prefix", prefix);
    out.insert("tokenizer.ggml.remove_extra_whitespaces", merges_spaces);
    return out;
  }
};

std::vector<TokenId> encode(std::string_view text, const UnigramModel& model = {}, EncodeOptions options = {}) {
  const auto metadata = model.metadata();
  return Tokenizer::from_metadata(metadata).value()->encode(text, options);
}

TEST(Unigram, TakesTheSpellingOfTheLargestSum) {
  EXPECT_THAT(encode("ab"), ElementsAre(3, 6));  // -2 - 4, and not the longer token of -7
  EXPECT_THAT(encode("ab", {.scores = {0, 0, 0, -2, -3, -3, -4, -5}}), ElementsAre(7));
  EXPECT_THAT(encode("ab", {.scores = {0, 0, 0, -2, -3, -3, -9, -9}}), ElementsAre(3, 4, 5));
}

TEST(Unigram, UnknownCharactersInARowAreOneToken) { EXPECT_THAT(encode("axyz b"), ElementsAre(3, 4, 2, 3, 5)); }

TEST(Unigram, SpellsInBytesWhereTheVocabularyHasThem) {
  UnigramModel model;
  model.tokens = {"<pad>", "</s>", "<unk>", "▁", "<0xC3>", "<0xA9>", "ab", "▁ab"};
  model.types = {3, 3, 2, 1, 6, 6, 1, 1};
  EXPECT_THAT(encode("é", model), ElementsAre(3, 4, 5));
  EXPECT_THAT(encode("éx", model), ElementsAre(3, 2));  // one of its bytes has no token
}

TEST(Unigram, TreatsSpacesAsTheFileSays) {
  EXPECT_THAT(encode("  a  b "), ElementsAre(3, 4, 3, 5));
  EXPECT_THAT(encode(" a", {.prefix = false, .merges_spaces = false}), ElementsAre(3, 4));
  EXPECT_THAT(encode("a", {.prefix = false, .merges_spaces = false}), ElementsAre(4));
  EXPECT_TRUE(encode("  ").empty());
}

TEST(Unigram, EndsATextByDefault) { EXPECT_THAT(encode("a", {}, {.add_special = true}), ElementsAre(3, 4, 1)); }

TEST(Unigram, RefusesACharsmapThatIsCut) {
  auto metadata = UnigramModel{}.metadata();
  metadata.insert("tokenizer.ggml.precompiled_charsmap", Integers{4, 0, 0, 0, 1});
  EXPECT_EQ(Tokenizer::from_metadata(metadata).error().code, ErrorCode::kCorrupt);
}

// "a" -> "x": the root's children begin at unit 1; "a" is 1 ^ 'a' and has its value at unit 1 ^ 'a' ^ 2.
std::string small_charsmap() {
  std::vector<std::uint32_t> units(256, 0);
  units[0] = 1u << 10;
  units[1 ^ 'a'] = 'a' | 1u << 8 | 2u << 10;
  units[1 ^ 'a' ^ 2] = 1u << 31;
  std::string bytes;
  const auto put = [&](std::uint32_t number) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(number >> (8 * i));
  };
  put(static_cast<std::uint32_t>(4 * units.size()));
  for (const auto unit : units) put(unit);
  return bytes + std::string("x\0", 2);
}

TEST(Charsmap, ReplacesWhatItHas) { EXPECT_EQ(Charsmap::parse(small_charsmap()).value().apply("banana\r\n"), "bxnxnx\r\n"); }

TEST(Charsmap, OfDamagedBytesStaysWithinThemAndMakesUtf8) {
  std::mt19937 random(1);
  const std::string good = small_charsmap();
  std::string text = "a\u0301aé中 ";
  for (char c = 1; c < 127; ++c) text += c;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good.substr(0, i % 4 ? good.size() : random() % good.size());
    for (int flips = 0; flips < 3 && !bytes.empty(); ++flips) bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    const auto map = Charsmap::parse(bytes);
    EXPECT_TRUE(!map || utf8_valid(map->apply(text)));
  }
}

}  // namespace
}  // namespace mlxr::text
