#include "core/kv/arena.h"

#include <gtest/gtest.h>

#include <set>

namespace mlxr::kv {
namespace {

constexpr Layout kLayout{.layers = 2, .kv_heads = 3, .head_dim = 64};
const auto kOps = ops::make_mlx_ops();
using Pages = std::vector<std::int32_t>;

TEST(Arena, LendsWholeBlocksThatNobodyElseHas) {
  Arena arena(kLayout, 8, *kOps);
  Pages a, b;
  ASSERT_TRUE(arena.extend(a, kBlockTokens + 1) && arena.extend(b, 6 * kBlockTokens));
  EXPECT_EQ(a.size(), 2u);
  std::set<int> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 8u);
  EXPECT_EQ(arena.free_blocks(), 0);
}

TEST(Arena, RefusesWithoutTakingAnythingWhenThereIsNotEnough) {
  Arena arena(kLayout, 2, *kOps);
  Pages pages;
  EXPECT_FALSE(arena.extend(pages, 2 * kBlockTokens + 1));
  EXPECT_TRUE(pages.empty());
  EXPECT_EQ(arena.free_blocks(), 2);
}

TEST(Arena, ReleasedBlocksCanBeLentAgain) {
  Arena arena(kLayout, 2, *kOps);
  Pages before, after;
  arena.extend(before, 2 * kBlockTokens);
  arena.release(before);
  ASSERT_TRUE(arena.extend(after, 2 * kBlockTokens));
  EXPECT_EQ(after, before);
}

TEST(Arena, ExtendsASessionsPagesAsItGrows) {
  Arena arena(kLayout, 3, *kOps);
  Pages pages;
  ASSERT_TRUE(arena.extend(pages, 1));
  ASSERT_TRUE(arena.extend(pages, kBlockTokens));  // its pages suffice already
  EXPECT_EQ(pages.size(), 1u);
  ASSERT_TRUE(arena.extend(pages, 2 * kBlockTokens + 1));
  EXPECT_EQ(pages.size(), 3u);
  EXPECT_FALSE(arena.extend(pages, 3 * kBlockTokens + 1));
  EXPECT_EQ(pages.size(), 3u);
  EXPECT_EQ(arena.free_blocks(), 0);
}

TEST(Arena, ABlockIsFreeWhenItsLastOwnerHasReleasedIt) {
  Arena arena(kLayout, 3, *kOps);
  Pages mine;
  arena.extend(mine, 2 * kBlockTokens);
  const Pages theirs(mine.begin(), mine.begin() + 1);
  arena.share(theirs);
  arena.release(mine);
  EXPECT_EQ(arena.free_blocks(), 2);
  arena.release(theirs);
  EXPECT_EQ(arena.free_blocks(), 3);
}

TEST(Arena, HasOneKeyAndOneValueArrayPerLayer) {
  Arena arena(kLayout, 4, *kOps);
  EXPECT_EQ(arena.arrays().size(), 4u);
  EXPECT_EQ(arena.layers()[1].k.shape(), (mlx::core::Shape{4, 3, kBlockTokens, 64}));
  EXPECT_EQ(kLayout.block_bytes(*kOps), 2u * 2 * 2 * 3 * 64 * kBlockTokens);
}

}  // namespace
}  // namespace mlxr::kv
