#include "core/kv/prefixes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/core/kv/caches.h"

namespace mlxr::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tokens = std::vector<std::int32_t>;

// `count` tokens; those from `differs` on are another text's.
Tokens text(int count, int differs = 1 << 20) {
  Tokens tokens(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) tokens[static_cast<std::size_t>(i)] = i < differs ? i : 1000 + differs + i;
  return tokens;
}

// How many blocks of the text are kept.
std::size_t blocks_found(Prefixes& prefixes, Cache& cache, const Tokens& tokens) {
  auto pages = prefixes.find(tokens);
  const auto blocks = pages.empty() ? 0 : pages[0].size();
  cache.release(pages);
  return blocks;
}

class PrefixesTest : public ::testing::Test {
 protected:
  // Stores a text and keeps it. Returns its blocks.
  Tokens keep(const Tokens& tokens) {
    auto pages = prefixes_.find(tokens);
    EXPECT_TRUE(cache_.extend(pages, 0, static_cast<int>(tokens.size())));
    const auto blocks = pages[0];
    prefixes_.keep(tokens, std::move(pages));
    return blocks;
  }
  std::size_t found(const Tokens& tokens) { return blocks_found(prefixes_, cache_, tokens); }
  int free_blocks() const { return cache_.arena(0).free_blocks(); }

  Cache cache_ = cache_of({{0, 8}});
  Prefixes prefixes_{cache_};
};

TEST_F(PrefixesTest, APromptSharesTheWholeBlocksThatItBeginsWith) {
  const auto pages = keep(text(100));
  EXPECT_EQ(free_blocks(), 5) << "the last four tokens fill no block";
  EXPECT_THAT(prefixes_.find(text(200))[0], ElementsAre(pages[0], pages[1], pages[2]));
  EXPECT_THAT(prefixes_.find(text(200, 64))[0], ElementsAre(pages[0], pages[1]));
  EXPECT_THAT(prefixes_.find(text(200, 63))[0], ElementsAre(pages[0]));
  EXPECT_THAT(prefixes_.find(text(200, 31)), IsEmpty());
}

// The logits of the last token of a prompt are always computed.
TEST_F(PrefixesTest, TheLastTokenOfAPromptIsNotShared) {
  keep(text(64));
  EXPECT_EQ(found(text(64)), 1u);
  EXPECT_EQ(found(text(65)), 2u);
  EXPECT_EQ(found(text(1)), 0u);
  EXPECT_EQ(found({}), 0u);
}

TEST_F(PrefixesTest, ASequenceThatContinuesAnotherReplacesIt) {
  keep(text(64));
  keep(text(128));
  EXPECT_EQ(free_blocks(), 4);
  keep(text(96, 64));  // another continuation of the same beginning
  EXPECT_EQ(free_blocks(), 3);
}

TEST_F(PrefixesTest, BlocksAreGivenUpFromTheEndOfTheLeastRecentlyUsed) {
  keep(text(64, 0));
  keep(text(64));
  EXPECT_EQ(found(text(65, 0)), 2u);  // the first one is used again
  EXPECT_TRUE(prefixes_.give_up_block());
  EXPECT_EQ(found(text(65)), 1u);
  found(text(65, 0));
  EXPECT_TRUE(prefixes_.give_up_block());
  EXPECT_EQ(found(text(65)), 0u);
  EXPECT_EQ(found(text(65, 0)), 2u);
  prefixes_.clear();
  EXPECT_FALSE(prefixes_.give_up_block());
  EXPECT_EQ(free_blocks(), 8);
}

TEST_F(PrefixesTest, BlocksThatASessionUsesTooAreNotReclaimable) {
  keep(text(96));
  keep(text(96, 32));  // shares its first block with the other
  EXPECT_THAT(prefixes_.reclaimable_blocks(), ElementsAre(5));
  auto pages = prefixes_.find(text(64));
  EXPECT_THAT(prefixes_.reclaimable_blocks(), ElementsAre(4));
  const int free = free_blocks();
  prefixes_.clear();
  EXPECT_EQ(free_blocks(), free + 4);
  cache_.release(pages);
}

// With a window, a sequence can be continued at its end, and where a part of it ended that was kept beside it. Elsewhere, what the window
// would see is no longer there.
TEST(PrefixesWithAWindow, ASequenceIsContinuedWhereItsWindowIsStillThere) {
  auto cache = cache_of({{0, 60}, {100, 40}});
  Prefixes prefixes(cache);
  const auto found = [&](const Tokens& tokens) { return blocks_found(prefixes, cache, tokens); };
  Pages pages;
  const auto store_to = [&](int end) {
    for (int stored = pages.empty() ? 0 : static_cast<int>(pages[0].size()) * kBlockTokens; stored < end; stored += 64)
      ASSERT_TRUE(cache.extend(pages, stored, std::min(end, stored + 64)));
  };
  store_to(640);
  prefixes.keep(text(640), cache.share(pages, 20));  // a question, say
  store_to(1280);
  prefixes.keep(text(1280), pages);  // and its answer
  EXPECT_EQ(found(text(2000)), 40u);
  EXPECT_EQ(found(text(1279)), 39u) << "a little shorter than what was stored";
  EXPECT_EQ(found(text(2000, 640)), 20u) << "the question, answered once more";
  EXPECT_EQ(found(text(2000, 300)), 0u) << "in the middle of the question";
  EXPECT_EQ(found(text(2000, 1000)), 20u) << "in the middle of the answer: from the end of the question on";
}

// States are few: a sequence is continued where it ended, a little before that, and where its question ended.
TEST(PrefixesWithStates, ASequenceIsContinuedWhereItsStateIsStillThere) {
  auto cache = cache_of({{0, 60}, {kStates, 12}});
  Prefixes prefixes(cache);
  const auto found = [&](const Tokens& tokens) { return blocks_found(prefixes, cache, tokens); };
  Pages pages;
  ASSERT_TRUE(cache.extend(pages, 0, 64));
  for (int stored = 64; stored < 640; stored += 64) ASSERT_TRUE(cache.extend(pages, stored, stored + 64));
  prefixes.keep(text(640), cache.share(pages, 20));
  for (int stored = 640; stored < 700; ++stored) ASSERT_TRUE(cache.extend(pages, stored, stored + 1));
  prefixes.keep(text(700), pages);
  EXPECT_EQ(found(text(2000, 700)), 21u);
  EXPECT_EQ(found(text(2000, 671)), 20u) << "the end of the answer is another: from the end of the question on";
  EXPECT_EQ(found(text(2000, 640)), 20u) << "the question, answered once more";
  EXPECT_EQ(found(text(2000, 400)), 0u) << "in the middle of the question";
}

// A common system prompt: where two texts part, each of them is only one of many that go on there.
TEST(PrefixesWithStates, WhereTextsHavePartedIsKeptThroughAllTurnsOfAChat) {
  auto cache = cache_of({{0, 90}, {kStates, 40}});
  Prefixes prefixes(cache);
  const auto found = [&](const Tokens& tokens) { return blocks_found(prefixes, cache, tokens); };
  Pages pages;
  const auto store = [&](int from, int to) {
    for (int stored = from; stored < to; stored += 64) ASSERT_TRUE(cache.extend(pages, stored, stored + 64));
  };
  store(0, 320);
  prefixes.keep(text(320), pages);
  EXPECT_EQ(prefixes.most_in_common(text(640, 200)), 6);
  EXPECT_EQ(found(text(640, 200)), 0u) << "in the middle of a text, where no state is kept";

  pages.clear();
  store(0, 192);
  prefixes.keep(text(192), cache.share_end(pages, 6), Place::kParting);
  for (int end = 320; end <= 1216; end += 128) {  // the turns of the second chat
    store(end - 128, end);
    prefixes.keep(text(end, 200), cache.share(pages, end / kBlockTokens));
  }
  EXPECT_EQ(found(text(640, 192)), 6u) << "the third text";
  EXPECT_EQ(found(text(320)), 9u) << "the first one";
  cache.release(pages);
  prefixes.clear();
  EXPECT_EQ(cache.arena(1).free_blocks(), 40);
}

TEST(PrefixesWithStates, AtAPartingOneStateIsKept) {
  auto cache = cache_of({{0, 30}, {kStates, 12}});
  Prefixes prefixes(cache);
  Pages pages;
  ASSERT_TRUE(cache.extend(pages, 0, 64));
  prefixes.keep(text(64), cache.share_end(pages, 2), Place::kParting);
  cache.release(pages);
  EXPECT_EQ(cache.arena(0).free_blocks(), 28);
  EXPECT_EQ(cache.arena(1).free_blocks(), 11);
  EXPECT_EQ(blocks_found(prefixes, cache, text(100)), 2u);
}

// A chat of long turns has many places on the way; the last few of them are worth their states.
TEST(PrefixesWithStates, OfAChatTheLastPlacesOnTheWayAreKept) {
  auto cache = cache_of({{0, 60}, {kStates, 60}});
  Prefixes prefixes(cache);
  Pages pages;
  for (int end = 64; end <= 640; end += 64) {
    ASSERT_TRUE(cache.extend(pages, end - 64, end));
    prefixes.keep(text(end), cache.share_end(pages, end / kBlockTokens), Place::kOnTheWay);
  }
  const auto found = [&](int tokens) { return static_cast<int>(blocks_found(prefixes, cache, text(2000, tokens))) * kBlockTokens; };
  cache.release(pages);
  for (const int end : {640, 576, 512, 448, 384}) EXPECT_EQ(found(end), end);
  EXPECT_EQ(found(320), 0);
}

TEST(PrefixesWithAWindow, OfAChatTheLastTwoBeginningsAreKept) {
  auto cache = cache_of({{0, 60}, {40, 60}});
  Prefixes prefixes(cache);
  Pages pages;
  for (int end = 256; end <= 1024; end += 256) {
    for (int stored = end - 256; stored < end; stored += 64) ASSERT_TRUE(cache.extend(pages, stored, stored + 64));
    prefixes.keep(text(end), cache.share(pages, end / kBlockTokens));
  }
  cache.release(pages);
  const auto found = [&](int tokens) { return static_cast<int>(blocks_found(prefixes, cache, text(2000, tokens))) * kBlockTokens; };
  EXPECT_EQ(found(1024), 1024);
  EXPECT_EQ(found(768), 768);
  EXPECT_EQ(found(512), 512);
  EXPECT_EQ(found(256), 0);
}

// Sessions begin, grow, end and take each other's blocks at random. A simple model says after each step what every block holds.
class RandomSessions : public ::testing::TestWithParam<std::vector<SmallKind>> {};

TEST_P(RandomSessions, NoBlockIsLostLentTwiceOrSharedForAnotherText) {
  struct Session {
    Tokens tokens;
    Pages pages;
    std::size_t stored = 0;
  };
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  auto cache = cache_of(GetParam());
  Prefixes prefixes(cache);
  std::vector<Session> sessions;
  std::vector<std::vector<Tokens>> content;  // of each block of each kind, as it was written last
  for (const auto& kind : cache.kinds()) content.emplace_back(static_cast<std::size_t>(kind.blocks()));
  // Stores the tokens that are not stored yet, a step at a time. Returns false when there is no room.
  const auto store = [&](Session& session) {
    while (session.stored < session.tokens.size()) {
      const auto end = std::min(session.tokens.size(), session.stored + 64);
      while (!cache.extend(session.pages, static_cast<int>(session.stored), static_cast<int>(end)))
        if (!prefixes.give_up_block()) return false;
      for (; session.stored < end; ++session.stored) {
        for (std::size_t kind = 0; kind < content.size(); ++kind) {
          const auto number = session.pages[kind][session.stored / kBlockTokens];
          if (number < 0) continue;  // a state that is not kept
          auto& block = content[kind][static_cast<std::size_t>(number)];
          block.resize(session.stored % kBlockTokens);
          block.push_back(session.tokens[session.stored]);
        }
      }
    }
    return true;
  };
  const auto keep = [&](const Session& session, Pages pages, Place place = Place::kEnd) {
    prefixes.keep({session.tokens.begin(), session.tokens.begin() + static_cast<std::ptrdiff_t>(session.stored)}, std::move(pages), place);
  };
  int shared = 0;
  for (int step = 0; step < 20000; ++step) {
    const int what = below(5);
    const auto chosen = sessions.begin() + (sessions.empty() ? 0 : below(static_cast<int>(sessions.size())));
    if (what == 0 && sessions.size() < 4) {
      Session session{text(1 + below(150), below(3) * 40), {}};
      session.pages = prefixes.find(session.tokens);
      session.stored = session.pages.empty() ? 0 : session.pages[0].size() * kBlockTokens;
      shared += session.stored > 0;
      if (store(session)) {
        sessions.push_back(std::move(session));
      } else {
        cache.release(session.pages);
      }
    } else if (what == 1 && !sessions.empty()) {
      chosen->tokens.push_back(below(3));
      if (!store(*chosen)) chosen->tokens.pop_back();
    } else if (what == 2 && !sessions.empty()) {
      if (below(2) == 0) {
        keep(*chosen, chosen->pages);
      } else {
        cache.release(chosen->pages);
      }
      sessions.erase(chosen);
    } else if (what == 3 && !sessions.empty()) {
      const int blocks = static_cast<int>(chosen->stored) / kBlockTokens;
      const auto place = static_cast<Place>(below(3));
      keep(*chosen, place == Place::kEnd ? cache.share(chosen->pages, blocks) : cache.share_end(chosen->pages, blocks), place);
    } else if (what == 4 && below(4) == 0) {
      prefixes.give_up_block();
    }
    for (const auto& session : sessions) {
      for (std::size_t kind = 0; kind < content.size(); ++kind) {
        const auto first = static_cast<std::size_t>(cache.kinds()[kind].first_seen(static_cast<int>(session.stored))) * kBlockTokens;
        for (std::size_t i = first; i < session.stored; ++i) {
          const auto number = session.pages[kind][i / kBlockTokens];
          ASSERT_GE(number, 0) << step;
          const auto& block = content[kind][static_cast<std::size_t>(number)];
          ASSERT_LT(i % kBlockTokens, block.size()) << step;
          ASSERT_EQ(block[i % kBlockTokens], session.tokens[i]) << step;
        }
      }
    }
  }
  EXPECT_GT(shared, 500) << "else this shows nothing";
  for (auto& session : sessions) cache.release(session.pages);
  prefixes.clear();
  for (std::size_t kind = 0; kind < content.size(); ++kind) EXPECT_EQ(cache.arena(kind).free_blocks(), cache.arena(kind).blocks());
}

INSTANTIATE_TEST_SUITE_P(Kinds, RandomSessions,
                         ::testing::Values(std::vector<SmallKind>{{0, 8}}, std::vector<SmallKind>{{0, 30}, {40, 12}},
                                           std::vector<SmallKind>{{40, 14}}, std::vector<SmallKind>{{0, 30}, {70, 14}, {20, 10}},
                                           std::vector<SmallKind>{{0, 30}, {kStates, 14}}, std::vector<SmallKind>{{kStates, 16}}));

}  // namespace
}  // namespace mlxr::kv
