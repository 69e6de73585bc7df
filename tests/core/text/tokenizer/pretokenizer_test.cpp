#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/text/pretokenizer.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> split(std::string_view rules, std::string_view text) {
  const auto pretokenizer = Pretokenizer::compile(pretokenizer_rules(rules).value().patterns).value();
  const auto words = pretokenizer.split(text);
  return {words.begin(), words.end()};
}

TEST(Pretokenizer, EachFamilyCutsItsOwnWay) {
  EXPECT_THAT(split("gpt-2", "I'll pay 1234  now"), ElementsAre("I", "'ll", " pay", " 1234", " ", " now"));
  EXPECT_THAT(split("smollm", "a 12"), ElementsAre("a", " ", "1", "2"));
  EXPECT_THAT(split("llama-bpe", "I'LL pay 1234\n"), ElementsAre("I", "'LL", " pay", " ", "123", "4", "\n"));
  EXPECT_THAT(split("qwen2", "x=12"), ElementsAre("x", "=", "1", "2"));
  EXPECT_THAT(split("tekken", "helloWorld"), ElementsAre("hello", "World"));
  EXPECT_THAT(split("deepseek-v3", "東京abc 1234"), ElementsAre("東京", "abc", " ", "123", "4"));
  EXPECT_THAT(split("falcon", "a+12345"), ElementsAre("a", "+", "123", "45"));
}

TEST(Pretokenizer, TheMongolianVowelSeparatorIsNoSpace) { EXPECT_THAT(split("gpt-2", "a\u180E b"), ElementsAre("a", "\u180E", " b")); }

TEST(Pretokenizer, EveryFamilyCompilesAndKeepsHostileText) {
  std::vector<std::string> hostile;
  for (const char c : {'a', 'A', ' ', '7', '!', '\n'}) hostile.push_back(std::string(1 << 20, c));
  hostile.push_back(std::string(1 << 20, ' ') + "a");
  hostile.push_back(std::string(1 << 20, 'A') + "1");
  for (const auto name : {"default", "gpt-2", "roberta-bpe", "smollm", "llama-bpe", "dbrx", "glm4", "qwen2", "qwen35", "gpt-4o", "tekken",
                          "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "bloom", "viking", "bailingmoe", "seed-coder"})
    for (const auto& text : hostile) {
      std::string joined;
      for (const auto& word : split(name, text)) joined += word;
      EXPECT_TRUE(joined == text) << name << " on " << text[0];
    }
}

TEST(Pretokenizer, AnEmptyNameIsUnknown) { EXPECT_EQ(pretokenizer_rules("").error().code, ErrorCode::kUnsupported); }

}  // namespace
}  // namespace mlxr::text
