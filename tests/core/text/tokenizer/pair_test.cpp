#include "core/text/pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

formats::Metadata bert() {
  static const Strings tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁play", "▁sing"};
  formats::Metadata out;
  out.insert("tokenizer.ggml.model", std::string_view("bert"));
  out.insert("tokenizer.ggml.tokens", tokens);
  out.insert("tokenizer.ggml.token_type", Integers{3, 3, 3, 3, 1, 1});
  return out;
}

// With "<s>" and "</s>" around a text.
formats::Metadata roberta() {
  formats::Metadata out;
  out.insert("tokenizer.ggml.model", std::string_view("gpt2"));
  out.insert("tokenizer.ggml.pre", std::string_view("gpt-2"));
  out.insert("tokenizer.ggml.tokens", Strings{"<s>", "</s>", "h", "e", "l", "o", "he"});
  out.insert("tokenizer.ggml.token_type", Integers{3, 3, 1, 1, 1, 1, 1});
  out.insert("tokenizer.ggml.merges", Strings{"h e"});
  out.insert("tokenizer.ggml.bos_token_id", std::int64_t{0});
  out.insert("tokenizer.ggml.eos_token_id", std::int64_t{1});
  out.insert("tokenizer.ggml.add_bos_token", true);
  out.insert("tokenizer.ggml.add_eos_token", true);
  return out;
}

Pair pair_of(const formats::Metadata& metadata, std::string_view query, std::string_view document) {
  return encode_pair(*Tokenizer::from_metadata(metadata).value(), metadata, query, document);
}

TEST(Pair, OfBertHasOneSeparatorAndTwoTexts) {
  const auto pair = pair_of(bert(), "play", "sing play");
  EXPECT_THAT(pair.prompt, ElementsAre(2, 4, 3, 5, 4, 3));
  EXPECT_EQ(pair.second, 3);
}

TEST(Pair, OfRobertaHasTwoSeparators) {
  const auto pair = pair_of(roberta(), "ho", "lo");
  EXPECT_THAT(pair.prompt, ElementsAre(0, 2, 5, 1, 1, 4, 5, 1));
  EXPECT_EQ(pair.second, 4);
}

// What a text says stays text, also where it looks like a control token or a place of the template.
TEST(Pair, OfATemplateHasItsControlTokensAlone) {
  auto metadata = roberta();
  metadata.insert("tokenizer.chat_template.rerank", std::string_view("<s>{query}l{document}</s>"));
  const auto pair = pair_of(metadata, "h", "e");
  EXPECT_THAT(pair.prompt, ElementsAre(0, 2, 4, 3, 1));
  EXPECT_EQ(pair.second, 0);
  EXPECT_EQ(std::ranges::count(pair_of(metadata, "<s></s>", "</s>").prompt, 1), 1);
}

TEST(Pair, OfBytesThatAreNoTextIsMade) {
  auto metadata = roberta();
  metadata.insert("tokenizer.chat_template.rerank", std::string_view("<s>{query}{document}</s>"));
  EXPECT_EQ(pair_of(metadata, "h\xff", "e").prompt.front(), 0);
}

}  // namespace
}  // namespace mlxr::text
