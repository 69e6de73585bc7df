#include "core/kv/prefixes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace mlxr::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tokens = std::vector<std::int32_t>;

const auto kOps = ops::make_mlx_ops();

// `count` tokens; those from `differs` on are another text's.
Tokens text(int count, int differs = 1 << 20) {
  Tokens tokens(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) tokens[static_cast<std::size_t>(i)] = i < differs ? i : 1000 + differs + i;
  return tokens;
}

class PrefixesTest : public ::testing::Test {
 protected:
  // Stores a text and keeps it. Returns its pages.
  Tokens keep(const Tokens& tokens) {
    auto pages = prefixes_.find(tokens);
    EXPECT_TRUE(arena_.extend(pages, static_cast<int>(tokens.size())));
    prefixes_.keep(tokens, pages);
    return pages;
  }
  std::size_t found(const Tokens& tokens) {
    const auto pages = prefixes_.find(tokens);
    arena_.release(pages);
    return pages.size();
  }

  Arena arena_{{.layers = 1, .kv_heads = 1, .head_dim = 32}, 8, *kOps};
  Prefixes prefixes_{arena_};
};

TEST_F(PrefixesTest, APromptSharesTheWholeBlocksThatItBeginsWith) {
  const auto pages = keep(text(100));
  EXPECT_EQ(arena_.free_blocks(), 5) << "the last four tokens fill no block";
  EXPECT_THAT(prefixes_.find(text(200)), ElementsAre(pages[0], pages[1], pages[2]));
  EXPECT_THAT(prefixes_.find(text(200, 64)), ElementsAre(pages[0], pages[1]));
  EXPECT_THAT(prefixes_.find(text(200, 63)), ElementsAre(pages[0]));
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
  EXPECT_EQ(arena_.free_blocks(), 4);
  keep(text(96, 64));  // another continuation of the same beginning
  EXPECT_EQ(arena_.free_blocks(), 3);
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
  EXPECT_EQ(arena_.free_blocks(), 8);
}

TEST_F(PrefixesTest, BlocksThatASessionUsesTooAreNotReclaimable) {
  keep(text(96));
  keep(text(96, 32));  // shares its first block with the other
  EXPECT_EQ(prefixes_.reclaimable_blocks(), 5);
  const auto pages = prefixes_.find(text(64));
  EXPECT_EQ(prefixes_.reclaimable_blocks(), 4);
  const int free = arena_.free_blocks();
  prefixes_.clear();
  EXPECT_EQ(arena_.free_blocks(), free + 4);
  arena_.release(pages);
}

// Sessions begin, grow, end and take each other's blocks at random. A simple model says after each step what every block holds.
TEST_F(PrefixesTest, NoBlockIsLostLentTwiceOrSharedForAnotherText) {
  struct Session {
    Tokens tokens, pages;
  };
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<Session> sessions;
  std::vector<Tokens> content(8);  // of each block, as it was written last
  const auto write = [&](const Session& session, std::size_t from) {
    for (std::size_t i = from; i < session.tokens.size(); ++i) {
      auto& block = content[static_cast<std::size_t>(session.pages[i / kBlockTokens])];
      block.resize(i % kBlockTokens);
      block.push_back(session.tokens[i]);
    }
  };
  int shared = 0;
  for (int step = 0; step < 20000; ++step) {
    const int what = below(4);
    if (what == 0 && sessions.size() < 4) {
      Session session{text(1 + below(150), below(3) * 40), {}};
      session.pages = prefixes_.find(session.tokens);
      const auto stored = session.pages.size() * kBlockTokens;
      shared += !session.pages.empty();
      while (!arena_.extend(session.pages, static_cast<int>(session.tokens.size())) && prefixes_.give_up_block()) {
      }
      if (session.pages.size() * kBlockTokens < session.tokens.size()) {
        arena_.release(session.pages);
        continue;
      }
      write(session, stored);
      sessions.push_back(std::move(session));
    } else if (what == 1 && !sessions.empty()) {
      auto& session = sessions[static_cast<std::size_t>(below(static_cast<int>(sessions.size())))];
      if (!arena_.extend(session.pages, static_cast<int>(session.tokens.size()) + 1)) continue;
      session.tokens.push_back(below(3));
      write(session, session.tokens.size() - 1);
    } else if (what == 2 && !sessions.empty()) {
      const auto at = sessions.begin() + below(static_cast<int>(sessions.size()));
      if (below(2) == 0) {
        prefixes_.keep(at->tokens, at->pages);
      } else {
        arena_.release(at->pages);
      }
      sessions.erase(at);
    } else if (what == 3 && below(4) == 0) {
      prefixes_.give_up_block();
    }
    for (const auto& session : sessions) {
      for (std::size_t i = 0; i < session.tokens.size(); ++i) {
        const auto& block = content[static_cast<std::size_t>(session.pages[i / kBlockTokens])];
        ASSERT_LT(i % kBlockTokens, block.size()) << step;
        ASSERT_EQ(block[i % kBlockTokens], session.tokens[i]) << step;
      }
    }
  }
  EXPECT_GT(shared, 1000) << "else this shows nothing";
  for (const auto& session : sessions) arena_.release(session.pages);
  prefixes_.clear();
  EXPECT_EQ(arena_.free_blocks(), 8);
}

}  // namespace
}  // namespace mlxr::kv
