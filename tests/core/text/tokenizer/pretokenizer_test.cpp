#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/text/pretokenizer.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> split(std::string_view rules, std::string_view text) {
  const auto named = pretokenizer_rules(rules).value();
  const auto pretokenizer = Pretokenizer::compile(named.patterns, named.threes).value();
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
  EXPECT_THAT(split("kimi-k2", "東京abcDEF 1234"), ElementsAre("東京", "abc", "DEF", " ", "123", "4"));
  EXPECT_THAT(split("tiny_aya", "a1234567 12345x"), ElementsAre("a", "1", "234", "567", " ", "123", "45", "x"));
  EXPECT_THAT(split("superbpe", "by the way 1234567."), ElementsAre("by the way ", "1", "234", "567", "."));
  EXPECT_THAT(split("afmoe", "東京 1234"), ElementsAre("東京", " ", "1", "234"));
  EXPECT_THAT(split("jais-2", std::string(7, ' ') + "a"), ElementsAre("    ", "  ", " a"));
  EXPECT_THAT(split("jais-2", "!\n  \na" + std::string(3, ' ') + "\n"), ElementsAre("!\n", "  \n", "a", "   \n"));
  EXPECT_THAT(split("exaone-moe", "by the way, 12"), ElementsAre("by the way", ",", " ", "1", "2"));
  EXPECT_THAT(split("laguna", "a\n\nb's"), ElementsAre("a", "\n\n", "b", "'s"));
  EXPECT_THAT(split("ufakzeka", "Ali's"), ElementsAre("Ali", "'s"));
  EXPECT_THAT(split("minicpm5", "a 12345"), ElementsAre("a", " ", "123", "45"));
  EXPECT_THAT(split("chameleon", "IMGIMGAAZ a+1"), ElementsAre("IMGIMGAAZ", " a", "+", "1"));
  EXPECT_THAT(split("youtu", "가나abc12"), ElementsAre("가나", "abc", "1", "2"));
  EXPECT_THAT(split("spark2_5", "東京abc\n"), ElementsAre("東京", "abc", "\n"));
  EXPECT_THAT(split("falcon", "a+12345"), ElementsAre("a", "+", "123", "45"));
}

TEST(Pretokenizer, TheMongolianVowelSeparatorIsNoSpace) { EXPECT_THAT(split("gpt-2", "a\u180E b"), ElementsAre("a", "\u180E", " b")); }

TEST(Pretokenizer, EveryFamilyCompilesAndKeepsHostileText) {
  std::vector<std::string> hostile;
  for (const char c : {'a', 'A', ' ', '7', '!', '\n'}) hostile.push_back(std::string(1 << 20, c));
  hostile.push_back(std::string(1 << 20, ' ') + "a");
  hostile.push_back(std::string(1 << 20, 'A') + "1");
  for (const auto name : {"default",    "gpt-2",      "roberta-bpe", "smollm",       "llama-bpe",      "dbrx",        "glm4",    "qwen2",
                          "qwen35",     "gpt-4o",     "tekken",      "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon",  "bloom",
                          "viking",     "bailingmoe", "seed-coder",  "kimi-k2",      "tiny_aya",       "superbpe",    "afmoe",   "jais-2",
                          "exaone-moe", "laguna",     "ufakzeka",    "minicpm5",     "chameleon",      "youtu",       "spark2_5"})
    for (const auto& text : hostile) {
      std::string joined;
      for (const auto& word : split(name, text)) joined += word;
      EXPECT_TRUE(joined == text) << name << " on " << text[0];
    }
}

TEST(Pretokenizer, KnowsTheNamesThatConvertersWrite) {
  for (const auto name : {"a.x-4.0",
                          "chatglm-bpe",
                          "codeshell",
                          "cohere2moe",
                          "command-r",
                          "dbrx",
                          "deepseek-r1-qwen",
                          "exaone",
                          "exaone4",
                          "f2llmv2",
                          "falcon-h1",
                          "falcon3",
                          "gigachat",
                          "gpt3-finnish",
                          "granite-docling",
                          "granite-embed-multi-97m",
                          "grok-2",
                          "hunyuan",
                          "hunyuan-dense",
                          "hy_v4",
                          "jais",
                          "jina-de",
                          "jina-es",
                          "jina-v1-en",
                          "jina-v2-code",
                          "jina-v2-de",
                          "jina-v2-es",
                          "jina-v5-nano",
                          "joyai-llm",
                          "kanana2",
                          "kormo",
                          "lfm2",
                          "llada-moe",
                          "llama-v3",
                          "llama3",
                          "llama4",
                          "megrez",
                          "mellum",
                          "mellum2",
                          "midm-2.0",
                          "minerva-7b",
                          "minimax-m2",
                          "modern-bert",
                          "mpt",
                          "olmo",
                          "phi-2",
                          "pixtral",
                          "poro-chat",
                          "refact",
                          "smaug-bpe",
                          "solar-open",
                          "stablelm2",
                          "starcoder",
                          "talkie",
                          "trillion"})
    EXPECT_TRUE(pretokenizer_rules(name).has_value()) << name;
}

TEST(Pretokenizer, ANameThatIsUnknownIsInTheMessage) {
  EXPECT_THAT(pretokenizer_rules("whitespace").error().message, testing::HasSubstr("'whitespace'"));
}

TEST(Pretokenizer, AnEmptyMatchCutsAndIsNoWord) {
  const auto words = [](std::string_view pattern, std::string_view text) {
    const auto pretokenizer = Pretokenizer::compile({pattern}).value();
    const auto found = pretokenizer.split(text);
    return std::vector<std::string>(found.begin(), found.end());
  };
  EXPECT_THAT(words(R"((?=(\d{3})+(?!\d)))", "a1234567"), ElementsAre("a1", "234", "567"));
  EXPECT_THAT(words("x*", "axxé"), ElementsAre("a", "xx", "é"));
}

TEST(Pretokenizer, AnEmptyNameIsUnknown) { EXPECT_EQ(pretokenizer_rules("").error().code, ErrorCode::kUnsupported); }

}  // namespace
}  // namespace mlxr::text
