#include "core/kv/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlx/transforms.h>

#include <algorithm>

#include "tests/core/kv/caches.h"

namespace mlxr::kv {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;

TEST(Cache, ASequenceTakesBlocksAsItGrows) {
  auto cache = cache_of({{0, 3}});
  Pages pages;
  ASSERT_TRUE(cache.extend(pages, 0, 1));
  ASSERT_TRUE(cache.extend(pages, 1, kBlockTokens));  // its block is enough
  EXPECT_EQ(pages[0].size(), 1u);
  ASSERT_TRUE(cache.extend(pages, kBlockTokens, 2 * kBlockTokens + 1));
  EXPECT_EQ(pages[0].size(), 3u);
  EXPECT_EQ(cache.arena(0).free_blocks(), 0);
  cache.release(pages);
  EXPECT_EQ(cache.arena(0).free_blocks(), 3);
  EXPECT_THAT(pages, IsEmpty());
}

TEST(Cache, TakesBlocksOfEveryKindOrOfNone) {
  auto cache = cache_of({{0, 4}, {64, 1}});
  Pages pages;
  EXPECT_FALSE(cache.extend(pages, 0, 2 * kBlockTokens));
  EXPECT_EQ(cache.arena(0).free_blocks(), 4);
  EXPECT_EQ(cache.arena(1).free_blocks(), 1);
}

// A text of any length has room in a few blocks of a kind with a window.
TEST(Cache, AWindowCostsAWindow) {
  constexpr int kStep = 64, kText = 5000;
  for (const int window : {1, 31, 32, 33, 100, 512}) {
    const int enough = Kind{.window = window}.blocks_of_text(kText, kStep);
    EXPECT_LE(enough, blocks_for(window + kStep) + 3);
    auto cache = cache_of({{0, blocks_for(kText)}, {window, enough}}, kStep);
    Pages pages;
    int stored = 0;
    for (int step : {kStep, kStep, 1, 7, kStep, 33}) {
      for (int i = 0; i < 15; ++i, stored += step) {
        ASSERT_TRUE(cache.extend(pages, stored, stored + step)) << stored;
        EXPECT_THAT(pages[0], Each(Ge(0)));
        const auto seen = std::span(pages[1]).subspan(static_cast<std::size_t>(cache.kinds()[1].first_seen(stored)));
        EXPECT_THAT(seen, Each(Ge(0))) << "what the next token sees is there";
      }
    }
    EXPECT_GT(std::ranges::count(pages[1], -1), 80);
    cache.release(pages);
    EXPECT_EQ(cache.arena(1).free_blocks(), enough);
  }
}

// Of states, the newest is there, and the one behind the last full block, from which another sequence may go on.
TEST(Cache, AStateCostsAFewBlocks) {
  constexpr int kStep = 64, kText = 5000;
  const auto all_blocks = [](int step) {
    return cache_of({{0, blocks_for(kText)}, {kStates, 0}}, step).kinds()[1].blocks_of_text(kText, step);
  };
  const int enough = all_blocks(kStep);
  EXPECT_LE(enough, 6);
  auto cache = cache_of({{0, blocks_for(kText)}, {kStates, enough}}, kStep);
  Pages pages;
  int stored = 0;
  for (int step : {kStep, 1, 7, kStep, 33, 31}) {
    for (int i = 0; i < 15; ++i) {
      ASSERT_TRUE(cache.extend(pages, stored, stored + step)) << stored;
      stored += step;
      const int last_full = stored / kBlockTokens - 1;
      EXPECT_GE(pages[1][static_cast<std::size_t>((stored - 1) / kBlockTokens)], 0) << stored;
      EXPECT_TRUE(last_full < 0 || cache.usable(pages, last_full + 1) > 0) << stored;
    }
  }
  cache.release(pages);
  EXPECT_EQ(cache.arena(1).free_blocks(), enough);
}

// A step may be shorter than it was expected to be.
TEST(Cache, AStateIsStoredWhereAStepEnds) {
  auto cache = cache_of({{0, 40}, {kStates, 6}}, 512);
  Pages pages;
  ASSERT_TRUE(cache.extend(pages, 0, 1000));
  ASSERT_TRUE(cache.extend(pages, 0, 48));
  EXPECT_GE(pages[1][1], 0);
}

// All blocks of a long prompt are taken at once, so that it is sure to fit; where there is a window, only those of the next step.
TEST(Cache, OfAKindWithAWindowAPromptTakesWhatAStepNeeds) {
  auto cache = cache_of({{0, 40}, {100, 8}}, 64);
  Pages pages;
  EXPECT_THAT(cache.missing(pages, 0, 1000), ElementsAre(32, 2));
  ASSERT_TRUE(cache.extend(pages, 0, 1000));
  EXPECT_EQ(pages[0].size(), 32u);
  EXPECT_EQ(pages[1].size(), 2u);
}

TEST(Cache, FirstSeenIsTheBlockOfTheOldestTokenInTheWindow) {
  const Kind kind{.window = 100};
  EXPECT_EQ(kind.first_seen(0), 0);
  EXPECT_EQ(kind.first_seen(130), 0) << "sees the tokens from 31 on";
  EXPECT_EQ(kind.first_seen(131), 1) << "sees the tokens from 32 on";
  EXPECT_EQ(Kind{}.first_seen(100000), 0);
}

TEST(Cache, HasOneCacheForEachLayerOfItsKind) {
  const auto ops = ops::make_mlx_ops();
  const Cache cache({{.shape = ops::CacheShape{quant::Type::kF16, 4, 3, kBlockTokens, 64, 32}, .layers = {0, 2}},
                     {.shape = ops::CacheShape{quant::Type::kF16, 2, 1, kBlockTokens, 64, 64}, .window = 64, .layers = {1}}},
                    64, *ops);
  const auto arrays = cache.arrays();
  ASSERT_EQ(arrays.size(), 6u);
  EXPECT_EQ(arrays[0].shape(), (mlx::core::Shape{4, 3, kBlockTokens, 64}));
  EXPECT_EQ(arrays[1].shape(), (mlx::core::Shape{4, 3, kBlockTokens, 32}));
  EXPECT_EQ(arrays[2].shape(), (mlx::core::Shape{2, 1, kBlockTokens, 64}));
  EXPECT_EQ(arrays[4].shape(), arrays[0].shape());
  EXPECT_EQ(cache.kinds()[0].block_bytes(*ops), 2u * 2 * 3 * (64 + 32) * kBlockTokens);
}

TEST(Cache, TheBytesOfABlockAreTakenInUnderTheSameLayoutAlone) {
  auto from = cache_of({{0, 4}}), to = cache_of({{0, 2}});
  const auto other = cache_of({{0, 4}, {64, 4}});
  EXPECT_EQ(from.layout(), to.layout());
  EXPECT_NE(from.layout(), other.layout());
  mlx::core::eval(from.arrays());
  mlx::core::eval(to.arrays());
  auto bytes = from.export_block(0, 3);
  ASSERT_EQ(bytes.size(), from.kinds()[0].block_bytes(*ops::make_mlx_ops()));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  ASSERT_TRUE(to.import_block(0, 1, bytes));
  EXPECT_EQ(to.export_block(0, 1), bytes);
  bytes.pop_back();
  EXPECT_EQ(to.import_block(0, 1, bytes).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace mlxr::kv
