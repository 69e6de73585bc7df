#include "core/decode/stop_matcher.h"

#include <gtest/gtest.h>

namespace mlxr::decode {
namespace {

TEST(StopMatcher, EndsBeforeAStopStringThatSpansTwoPieces) {
  StopMatcher stops({"5,"});
  EXPECT_EQ(stops.feed(" 4, 5"), " 4, ");  // the 5 could begin "5,"
  EXPECT_EQ(stops.feed(", 6"), "");
  EXPECT_EQ(stops.matched(), "5,");
}

TEST(StopMatcher, ShowsWhatWasHeldBackOnceItCannotMatch) {
  StopMatcher stops({"<end>"});
  EXPECT_EQ(stops.feed("a <e"), "a ");
  EXPECT_EQ(stops.feed("x"), "<ex");
  EXPECT_FALSE(stops.matched());
}

TEST(StopMatcher, HoldsTheLongestPossibleBeginning) {
  StopMatcher stops({"aab", "ab"});
  EXPECT_EQ(stops.feed("xaa"), "x");
  EXPECT_EQ(stops.feed("b"), "");
  EXPECT_EQ(stops.matched(), "aab");  // begins earlier than "ab"
}

TEST(StopMatcher, TheEarliestStopStringWins) {
  StopMatcher stops({"late", "a"});
  EXPECT_EQ(stops.feed("x a late"), "x ");
  EXPECT_EQ(stops.matched(), "a");
}

TEST(StopMatcher, FinishGivesBackHeldText) {
  StopMatcher stops({"###"});
  EXPECT_EQ(stops.feed("one ##"), "one ");
  EXPECT_EQ(stops.finish(), "##");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopMatcher, WithoutStopStringsTextPassesThrough) {
  StopMatcher stops({});
  EXPECT_EQ(stops.feed("anything"), "anything");
}

}  // namespace
}  // namespace mlxr::decode
