#include "core/kv/arena.h"

#include <gtest/gtest.h>

#include <set>

namespace mlxr::kv {
namespace {

constexpr Layout kLayout{.layers = 2, .kv_heads = 3, .head_dim = 64};
const auto kOps = ops::make_mlx_ops();

TEST(Arena, ReservesWholeBlocksThatNobodyElseHas) {
  Arena arena(kLayout, 8, *kOps);
  const auto a = arena.reserve(kBlockTokens + 1);
  const auto b = arena.reserve(6 * kBlockTokens);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->size(), 2u);
  std::set<int> all(a->begin(), a->end());
  all.insert(b->begin(), b->end());
  EXPECT_EQ(all.size(), 8u);
  EXPECT_EQ(arena.free_blocks(), 0);
}

TEST(Arena, RefusesWithoutTakingAnythingWhenThereIsNotEnough) {
  Arena arena(kLayout, 2, *kOps);
  EXPECT_FALSE(arena.reserve(2 * kBlockTokens + 1));
  EXPECT_EQ(arena.free_blocks(), 2);
}

TEST(Arena, ReleasedBlocksCanBeReservedAgain) {
  Arena arena(kLayout, 2, *kOps);
  const auto pages = arena.reserve(2 * kBlockTokens);
  arena.release(*pages);
  EXPECT_EQ(arena.reserve(2 * kBlockTokens), pages);
}

TEST(Arena, ExtendsASessionsPagesAsItGrows) {
  Arena arena(kLayout, 3, *kOps);
  auto pages = *arena.reserve(1);
  ASSERT_TRUE(arena.extend(pages, kBlockTokens));  // its pages suffice already
  EXPECT_EQ(pages.size(), 1u);
  ASSERT_TRUE(arena.extend(pages, 2 * kBlockTokens + 1));
  EXPECT_EQ(pages.size(), 3u);
  EXPECT_FALSE(arena.extend(pages, 3 * kBlockTokens + 1));
  EXPECT_EQ(pages.size(), 3u);
  EXPECT_EQ(arena.free_blocks(), 0);
}

TEST(Arena, HasOneKeyAndOneValueArrayPerLayer) {
  Arena arena(kLayout, 4, *kOps);
  EXPECT_EQ(arena.arrays().size(), 4u);
  EXPECT_EQ(arena.layers()[1].k.shape(), (mlx::core::Shape{4, 3, kBlockTokens, 64}));
  EXPECT_EQ(kLayout.block_bytes(*kOps), 2u * 2 * 2 * 3 * 64 * kBlockTokens);
}

}  // namespace
}  // namespace mlxr::kv
