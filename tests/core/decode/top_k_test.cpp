#include "core/decode/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/decode/rows.h"

namespace mlxr::decode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<TokenId> ids(const std::vector<float>& logits, std::size_t k) {
  LogitRow row;
  row.read(logits);
  TopK top_k;
  std::vector<TokenId> result;
  for (const Place& token : top_k.tokens(row, k)) result.push_back(token.id);
  return result;
}

TEST(TopK, LargestFirstAndOfEqualOnesTheLowerId) {
  EXPECT_THAT(ids({1, 3, 2, -1, 2.5f}, 3), ElementsAre(1, 4, 2));
  EXPECT_THAT(ids({7, 7, 8, 7}, 3), ElementsAre(2, 0, 1));
  EXPECT_THAT(ids({1, 2}, 5), ElementsAre(1, 0));
  EXPECT_THAT(ids({1, 2}, 0), IsEmpty());
}

TEST(TopK, NeverHoldsAnImpossibleToken) {
  EXPECT_THAT(ids({-kInfinity, 1, -kInfinity}, 1), ElementsAre(1));
  EXPECT_THAT(ids({-kInfinity, 1, -kInfinity}, 3), ElementsAre(1));
}

// Few and many blocks, fewer and more than k; among many equal logits, and few possible ones.
TEST(TopK, AgreesWithASort) {
  TopK top_k;
  LogitRow row;
  for (const std::size_t size : {1, 63, 64, 65, 1000, 5000, 262144}) {
    for (const auto& [name, logits] : hostile_rows(size)) {
      row.read(logits);
      std::vector<Place> sorted;
      for (std::size_t i = 0; i < size; ++i) {
        if (logits[i] > -kInfinity) sorted.push_back({logits[i], static_cast<TokenId>(i)});
      }
      std::sort(sorted.begin(), sorted.end());
      for (const std::size_t k :
           {std::size_t{1}, std::size_t{2}, std::size_t{40}, std::size_t{1000}, std::size_t{70'000}, size - 1, size}) {
        if (k == 0) continue;
        const Place end = top_k.end(row, k);
        const std::size_t want = std::min(k, sorted.size());
        EXPECT_TRUE(sorted[want - 1] < end) << name << " " << size << " " << k;
        EXPECT_TRUE(want == sorted.size() || !(sorted[want] < end)) << name << " " << size << " " << k;
      }
      const auto& found = top_k.tokens(row, 40);
      ASSERT_EQ(found.size(), std::min<std::size_t>(40, sorted.size())) << name << " " << size;
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].id, sorted[i].id) << name << " " << size;
    }
  }
}

}  // namespace
}  // namespace mlxr::decode
