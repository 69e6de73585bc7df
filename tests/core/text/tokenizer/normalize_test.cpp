#include "core/text/normal_form.h"

#include <gtest/gtest.h>

#include "core/text/huggingface_rules.h"
#include "small_models.h"

namespace mlxr::text {
namespace {

TEST(Nfc, ComposesWhatBelongsTogether) {
  EXPECT_EQ(to_normal_form("plain", NormalForm::kNfc), "plain");
  EXPECT_EQ(to_normal_form("a\u0301", NormalForm::kNfc), "á");
  EXPECT_EQ(to_normal_form("a\u0323\u0302", NormalForm::kNfc), "ậ");
  EXPECT_EQ(to_normal_form("a\u0302\u0323", NormalForm::kNfc), "ậ");        // marks are put in order first
  EXPECT_EQ(to_normal_form("\u212B", NormalForm::kNfc), "Å");               // the Ångström sign is the letter
  EXPECT_EQ(to_normal_form("\u1100\u1161\u11A8", NormalForm::kNfc), "각");  // Hangul
  EXPECT_EQ(to_normal_form("\u0958", NormalForm::kNfc), "\u0915\u093C");    // a character that is never composed
  EXPECT_EQ(to_normal_form("\u0301a", NormalForm::kNfc), "\u0301a");        // a mark without a letter
}

TEST(Nfc, IsQuickToSeeOnPlainText) {
  EXPECT_TRUE(plainly_nfc("naïve café"));
  EXPECT_FALSE(plainly_nfc("a\u0301"));
}

TEST(Nfc, BringsTextIntoTheFormThatQwenWasTrainedOn) {
  BpeModel model{
      .tokens = {"Ã", "¡", "Ã¡", "a", "Ì", "ģ"}, .types = {1, 1, 1, 1, 1, 1}, .merges = {"Ã ¡"}, .eos = -1};  // á, and a with U+0301
  const auto encode = [&](std::string_view pre) {
    model.pre = pre;
    const auto metadata = model.metadata();
    return Tokenizer::from_metadata(metadata).value()->encode("a\u0301");
  };
  EXPECT_EQ(encode("qwen2"), std::vector<TokenId>{2});
  EXPECT_EQ(encode("gpt-2"), (std::vector<TokenId>{3, 4, 5}));
}

std::string sequence_of(int count, const std::string& step) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i == 0 ? "" : ", ") + step;
  return R"({"normalizer": {"type": "Sequence", "normalizers": [)" + list + "]}}";
}

TEST(Normalizer, AFileCannotMakeTextGrowWithoutBounds) {
  const auto rules =
      word_rules_from_json(sequence_of(20, R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaaaaaa"})"));
  const std::string text(1 << 16, 'a');
  EXPECT_EQ(rules.value().normalizer.apply(text), text);
}

TEST(Normalizer, AFileCannotHaveStepsWithoutEnd) {
  EXPECT_TRUE(word_rules_from_json(sequence_of(60, R"({"type": "NFC"})")).has_value());
  EXPECT_EQ(word_rules_from_json(sequence_of(100, R"({"type": "NFC"})")).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(word_rules_from_json("[").error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace mlxr::text
