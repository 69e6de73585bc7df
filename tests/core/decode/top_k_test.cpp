#include "core/decode/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace mlxr::decode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<TokenId> ids(const std::vector<float>& logits, std::size_t k) {
  std::vector<Candidate> candidates;
  top_k(logits, k, candidates);
  std::vector<TokenId> result;
  for (const auto& c : candidates) result.push_back(c.id);
  return result;
}

TEST(TopK, LargestFirstAndOfEqualOnesTheLowerId) {
  EXPECT_THAT(ids({1, 3, 2, -1, 2.5f}, 3), ElementsAre(1, 4, 2));
  EXPECT_THAT(ids({7, 7, 8, 7}, 3), ElementsAre(2, 0, 1));
  EXPECT_THAT(ids({1, 2}, 5), ElementsAre(1, 0));
}

TEST(TopK, NothingWhereOneCannotChoose) {
  EXPECT_THAT(ids({kNan, 1, 2}, 1), IsEmpty());
  EXPECT_THAT(ids({1, 2, kNan}, 1), IsEmpty());
  EXPECT_THAT(ids({1, kInfinity}, 1), IsEmpty());
  EXPECT_THAT(ids({-kInfinity, -kInfinity}, 1), IsEmpty());
  EXPECT_THAT(ids({-kInfinity, 1, -kInfinity}, 3), ElementsAre(1));
  std::vector<float> late(1000, 0.0f);
  late[999] = kNan;
  EXPECT_THAT(ids(late, 1), IsEmpty());
}

// For vocabularies of many sizes, with many equal logits, the result is that of a full sort.
TEST(TopK, AgreesWithASort) {
  std::mt19937 random(3);
  for (const std::size_t size : {1, 63, 64, 65, 1000, 5000}) {
    std::vector<float> logits(size);
    for (float& l : logits) l = static_cast<float>(random() % 500) / 10 - 25;
    std::vector<TokenId> sorted(size);
    for (std::size_t i = 0; i < size; ++i) sorted[i] = static_cast<TokenId>(i);
    std::stable_sort(sorted.begin(), sorted.end(), [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{40}, size}) {
      auto want = sorted;
      want.resize(std::min(k, size));
      EXPECT_EQ(ids(logits, k), want) << size << " " << k;
    }
  }
}

}  // namespace
}  // namespace mlxr::decode
