#include "cli/multiline.h"

#include <gtest/gtest.h>

namespace mlxr::cli {
namespace {

TEST(Multiline, ALineIsAnInput) {
  MultilineInput input;
  EXPECT_TRUE(input.feed("Hello"));
  EXPECT_EQ(input.take(), "Hello");
  EXPECT_FALSE(input.was_block());
}

TEST(Multiline, AFenceTakesLinesUntilTheNextFence) {
  MultilineInput input;
  EXPECT_FALSE(input.feed("\"\"\"first"));
  EXPECT_TRUE(input.inside());
  EXPECT_FALSE(input.feed(""));
  EXPECT_FALSE(input.feed("/bye \\"));
  EXPECT_TRUE(input.feed("last\"\"\""));
  EXPECT_EQ(input.take(), "first\n\n/bye \\\nlast");
  EXPECT_TRUE(input.was_block());
  EXPECT_FALSE(input.inside());
}

TEST(Multiline, FencesOnLinesOfTheirOwnAddNoEmptyLines) {
  MultilineInput input;
  EXPECT_FALSE(input.feed("\"\"\""));
  EXPECT_FALSE(input.feed("a"));
  EXPECT_FALSE(input.feed("b"));
  EXPECT_TRUE(input.feed("\"\"\""));
  EXPECT_EQ(input.take(), "a\nb");
}

TEST(Multiline, AFenceMayCloseOnItsLine) {
  MultilineInput input;
  EXPECT_TRUE(input.feed("\"\"\"/help\"\"\""));
  EXPECT_EQ(input.take(), "/help");
  EXPECT_TRUE(input.was_block());
}

TEST(Multiline, ABackslashGoesOnWithTheNextLine) {
  MultilineInput input;
  EXPECT_FALSE(input.feed("one\\"));
  EXPECT_FALSE(input.feed("two\\"));
  EXPECT_TRUE(input.feed("three"));
  EXPECT_EQ(input.take(), "one\ntwo\nthree");
  EXPECT_FALSE(input.was_block());
}

TEST(Multiline, ResetForgetsWhatWasBegun) {
  MultilineInput input;
  EXPECT_FALSE(input.feed("\"\"\"gone"));
  input.reset();
  EXPECT_FALSE(input.inside());
  EXPECT_TRUE(input.feed("new"));
  EXPECT_EQ(input.take(), "new");
}

}  // namespace
}  // namespace mlxr::cli
