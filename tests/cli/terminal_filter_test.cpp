#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

std::string clean(std::string_view text) { return TerminalFilter().clean(text); }

TEST(TerminalFilter, LetsTextThrough) { EXPECT_EQ(clean("Größe\t模型 🙂 £ é\n[1m]"), "Größe\t模型 🙂 £ é\n[1m]"); }

TEST(TerminalFilter, TakesSequencesAway) {
  EXPECT_EQ(clean("a\033[31;1mred\033[0mb"), "aredb");
  EXPECT_EQ(clean("a\033]0;a title\007b"), "ab");                    // window title
  EXPECT_EQ(clean("a\033]52;c;Y3VybCBldmlsIHwgc2g=\033\\b"), "ab");  // writes the clipboard
  EXPECT_EQ(clean("a\033Pq#0\033\\b"), "ab");                        // device control
  EXPECT_EQ(clean("a\033(Bb"), "ab");                                // character set
  EXPECT_EQ(clean("a\xC2\x9B"
                  "31mb"),
            "ab");  // CSI as one character
  EXPECT_EQ(clean("a\xC2\x9D"
                  "0;x\007b"),
            "ab");  // OSC as one character
}

TEST(TerminalFilter, TakesControlCharactersAway) {
  EXPECT_EQ(clean(std::string_view("a\rb\bc\0d\x7F"
                                   "e\x0E\n",
                                   11)),
            "abcde\n");
}

TEST(TerminalFilter, SequencesMayBeSplitAnywhere) {
  const std::string text =
      "a\033[31mb\033]0;title\007c\xC2\x9B"
      "1md\xC2\xA3";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    TerminalFilter filter;
    const std::string head = filter.clean(std::string_view(text).substr(0, at));
    EXPECT_EQ(head + filter.clean(std::string_view(text).substr(at)), "abcd£") << "split at " << at;
  }
}

TEST(TerminalFilter, AnUnfinishedSequenceSwallowsItsLineOnly) { EXPECT_EQ(clean("a\033]0;never ended\nb"), "a\nb"); }

}  // namespace
}  // namespace mlxr::cli
