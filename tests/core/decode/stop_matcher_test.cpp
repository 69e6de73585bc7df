#include "core/decode/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

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

TEST(StopMatcher, WaitsWhileAnEarlierStopStringCanStillCome) {
  StopMatcher stops({"abcdef", "cd"});
  EXPECT_EQ(stops.feed("xabcd"), "x");
  EXPECT_FALSE(stops.matched());
  EXPECT_EQ(stops.feed("ex"), "ab");
  EXPECT_EQ(stops.matched(), "cd");

  StopMatcher at_the_end({"abcdef", "cd"});
  EXPECT_EQ(at_the_end.feed("xabcd"), "x");
  EXPECT_EQ(at_the_end.finish(), "ab");
  EXPECT_EQ(at_the_end.matched(), "cd");
}

struct Outcome {
  std::string shown;
  std::optional<std::string> stop;
  bool operator==(const Outcome&) const = default;
};

// The definition of a stop: the match that begins first; of several that begin there, the first of the list.
Outcome by_search(const std::vector<std::string>& stops, const std::string& text) {
  Outcome out{text, std::nullopt};
  std::size_t first = std::string::npos;
  for (const auto& stop : stops) {
    const std::size_t at = text.find(stop);
    if (at < first) out = {text.substr(0, first = at), stop};
  }
  return out;
}

Outcome in_pieces(const std::vector<std::string>& stops, const std::string& text, std::mt19937& random) {
  StopMatcher matcher(stops);
  Outcome out;
  for (std::size_t at = 0; at < text.size() && !matcher.matched();) {
    const std::size_t n = 1 + random() % 4;
    out.shown += matcher.feed(std::string_view(text).substr(at, n));
    at += n;
  }
  if (!matcher.matched()) out.shown += matcher.finish();
  out.stop = matcher.matched();
  return out;
}

// A small alphabet and short strings, so that they overlap in every way.
TEST(StopMatcher, HowTheTextIsCutChangesNothing) {
  std::mt19937 random(15);
  const auto word = [&](std::size_t longest) {
    std::string s(1 + random() % longest, 'a');
    for (char& c : s) c = static_cast<char>('a' + random() % 2);
    return s;
  };
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::string> stops(1 + random() % 4);
    for (auto& stop : stops) stop = word(6);
    const std::string text = word(16);
    EXPECT_EQ(in_pieces(stops, text, random), by_search(stops, text)) << text << " " << testing::PrintToString(stops);
  }
}

TEST(StopMatcher, LongStopStringsCostNoMoreThanShortOnes) {
  StopMatcher stops({std::string(100'000, 'a') + "b"});
  std::string shown;
  for (int i = 0; i < 200'000; ++i) shown += stops.feed("a");  // compared its tail with each beginning: hours
  shown += stops.feed("b");
  EXPECT_EQ(shown.size(), 100'000u);
  EXPECT_TRUE(stops.matched());
}

TEST(StopMatcher, WithoutStopStringsTextPassesThrough) {
  StopMatcher stops({});
  EXPECT_EQ(stops.feed("anything"), "anything");
}

}  // namespace
}  // namespace mlxr::decode
