#include "cli/word_wrap.h"

#include <gtest/gtest.h>

#include <clocale>

namespace mlxr::cli {
namespace {

class Wrap : public testing::Test {
 protected:
  void SetUp() override { std::setlocale(LC_CTYPE, "C.UTF-8"); }

  // The text in pieces of `size` bytes: where they end must not matter.
  static std::string wrap(std::string_view text, int width, std::size_t size = 3) {
    WordWrap wrap;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += size) out += wrap.feed(text.substr(at, size), width);
    return out + wrap.finish(width);
  }
};

TEST_F(Wrap, BreaksBetweenWords) {
  EXPECT_EQ(wrap("the quick brown fox", 10), "the quick\nbrown fox");
  EXPECT_EQ(wrap("the quick brown fox", 80), "the quick brown fox");
}

TEST_F(Wrap, FillsALineToItsLastColumn) { EXPECT_EQ(wrap("12345 789 x", 9), "12345 789\nx"); }

TEST_F(Wrap, KeepsTheLinesOfTheText) { EXPECT_EQ(wrap("one\n\ntwo three\n", 6), "one\n\ntwo\nthree\n"); }

TEST_F(Wrap, KeepsIndentationAndTabs) { EXPECT_EQ(wrap("  - item\n\tx", 20), "  - item\n\tx"); }

TEST_F(Wrap, KeepsAWordThatIsLongerThanALine) { EXPECT_EQ(wrap("a 123456789012 b", 10), "a\n123456789012\nb"); }

TEST_F(Wrap, LeavesCodeAlone) {
  const std::string code = "```\nint a = 1;   int b = 2;\n```\n";
  EXPECT_EQ(wrap(code, 10), code);
  EXPECT_EQ(wrap(code + "and then text", 10), code + "and then\ntext");
}

TEST_F(Wrap, CountsColumnsAndNotBytes) {
  EXPECT_EQ(wrap("Größe über", 10), "Größe über");
  EXPECT_EQ(wrap("模型模型模型", 8, 1), "模型模型\n模型");
}

TEST_F(Wrap, PassesOnTextAsSoonAsAWordEnds) {
  WordWrap wrap;
  EXPECT_EQ(wrap.feed("Hello wor", 80), "Hello");
  EXPECT_EQ(wrap.feed("ld.", 80), "");
  EXPECT_EQ(wrap.finish(80), " world.");
}

}  // namespace
}  // namespace mlxr::cli
