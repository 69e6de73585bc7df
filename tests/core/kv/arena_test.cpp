#include "core/kv/arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mlxr::kv {
namespace {

using Blocks = std::vector<std::int32_t>;

TEST(Arena, LendsBlocksThatNobodyElseHas) {
  Arena arena(8);
  Blocks a, b;
  ASSERT_TRUE(arena.take(2, a) && arena.take(6, b));
  std::set<int> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 8u);
  EXPECT_EQ(arena.free_blocks(), 0);
}

TEST(Arena, RefusesWithoutTakingAnythingWhenThereIsNotEnough) {
  Arena arena(2);
  Blocks blocks;
  EXPECT_FALSE(arena.take(3, blocks));
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(arena.free_blocks(), 2);
}

TEST(Arena, ReleasedBlocksCanBeLentAgain) {
  Arena arena(2);
  Blocks before, after;
  arena.take(2, before);
  arena.release(before);
  ASSERT_TRUE(arena.take(2, after));
  EXPECT_EQ(after, before);
}

TEST(Arena, ABlockIsFreeWhenItsLastOwnerHasReleasedIt) {
  Arena arena(3);
  Blocks mine;
  arena.take(2, mine);
  const Blocks theirs(mine.begin(), mine.begin() + 1);
  arena.share(theirs);
  arena.release(mine);
  EXPECT_EQ(arena.free_blocks(), 2);
  arena.release(theirs);
  EXPECT_EQ(arena.free_blocks(), 3);
}

TEST(Arena, NegativeNumbersAreNoBlocks) {
  Arena arena(2);
  const Blocks none = {-1, -1};
  arena.share(none);
  arena.release(none);
  EXPECT_EQ(arena.free_blocks(), 2);
}

}  // namespace
}  // namespace mlxr::kv
