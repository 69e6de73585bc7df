#include "core/kv/milestones.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/kv/cache.h"

namespace mlxr::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Milestones, WhereTwoTextsPart) {
  EXPECT_THAT(milestones(0, 300, 0), IsEmpty());
  EXPECT_THAT(milestones(0, 300, 5), ElementsAre(Milestone{5, Place::kParting}));
  EXPECT_THAT(milestones(96, 300, 5), ElementsAre(Milestone{5, Place::kParting}));
  EXPECT_THAT(milestones(128, 300, 5), IsEmpty()) << "only a block more than is stored";
  EXPECT_THAT(milestones(0, 300, 1), IsEmpty()) << "the first words of every chat";
}

TEST(Milestones, OnTheWayThroughALongPromptDenserTowardsItsEnd) {
  EXPECT_THAT(milestones(0, 511, 0), IsEmpty());
  EXPECT_THAT(milestones(0, 512, 0), ElementsAre(Milestone{8, Place::kOnTheWay}));
  std::vector<int> tokens;
  for (const auto& [blocks, place] : milestones(0, 40000, 0)) tokens.push_back(blocks * kBlockTokens);
  EXPECT_THAT(tokens, ElementsAre(23616, 35904, 38976, 39744));
  EXPECT_THAT(milestones(39000, 40000, 0), ElementsAre(Milestone{39744 / kBlockTokens, Place::kOnTheWay})) << "the next turn of a chat";
}

TEST(Milestones, AreInTheirOrderAndNotSideBySide) {
  EXPECT_THAT(milestones(0, 2048, 40),
              ElementsAre(Milestone{32, Place::kOnTheWay}, Milestone{40, Place::kParting}, Milestone{56, Place::kOnTheWay}));
  EXPECT_THAT(milestones(0, 2048, 55), ElementsAre(Milestone{32, Place::kOnTheWay}, Milestone{55, Place::kParting}));
}

}  // namespace
}  // namespace mlxr::kv
