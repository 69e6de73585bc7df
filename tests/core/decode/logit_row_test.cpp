#include "core/decode/logit_row.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/decode/rows.h"

namespace mlxr::decode {
namespace {

constexpr std::size_t kSizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000, 4096};

bool is_sound(const std::vector<float>& logits) {
  LogitRow row;
  row.read(logits);
  return row.is_sound();
}

TEST(LogitRow, SeesDamageWhereverItIs) {
  EXPECT_FALSE(is_sound({-kInfinity, -kInfinity}));
  EXPECT_TRUE(is_sound({-kInfinity, 1, -kInfinity}));
  for (const std::size_t size : kSizes) {
    std::vector<float> logits(size, -5.0f);
    EXPECT_TRUE(is_sound(logits)) << size;
    for (std::size_t i = 0; i < size; i += size > 200 ? 97 : 1) {
      for (const float bad : {kNan, -kNan, kInfinity}) {
        logits[i] = bad;
        EXPECT_FALSE(is_sound(logits)) << bad << " at " << i << " of " << size;
      }
      logits[i] = -5;
    }
  }
}

// The row as the definition has it: the values, then the changes, then minus infinity where the mask says so.
TEST(LogitRow, IsWhatTheDefinitionSays) {
  std::mt19937 random(3);
  LogitRow row;
  for (const std::size_t size : kSizes) {
    for (const auto& [name, logits] : hostile_rows(size)) {
      for (const double allowed : {1.0, 0.9, 0.02}) {
        auto want = logits;
        std::vector<Place> changes;
        for (std::size_t i = random() % 3; i < size; i += 1 + random() % 100) {
          want[i] = static_cast<float>(random() % 100);
          changes.push_back({want[i], static_cast<TokenId>(i)});
        }
        const auto mask = random_mask(size, allowed);
        for (std::size_t i = 0; i < size; ++i) want[i] = (mask[i / 32] >> (i % 32)) & 1 ? want[i] : -kInfinity;
        row.read(logits);
        row.change(changes);
        row.mask(mask);
        for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(row.logit(static_cast<TokenId>(i)), want[i]) << name << " " << size << " " << i;
        const auto best = std::max_element(want.begin(), want.end());
        EXPECT_EQ(row.most(), *best);
        EXPECT_EQ(row.is_possible(), *best > -kInfinity);
        EXPECT_TRUE(!row.is_possible() || row.best() == best - want.begin()) << name << " " << size;
        want.resize(row.n_blocks() * LogitRow::kBlock, -kInfinity);
        for (std::size_t b = 0; b < row.n_blocks(); ++b) {
          const auto begin = want.begin() + static_cast<std::ptrdiff_t>(b * LogitRow::kBlock);
          LogitRow::Block room;
          EXPECT_TRUE(std::equal(begin, begin + LogitRow::kBlock, row.block(b, room)));
          EXPECT_EQ(row.most_in(b), *std::max_element(begin, begin + LogitRow::kBlock)) << name << " " << size << " " << b;
        }
      }
    }
  }
}

TEST(LogitRow, BitsBeyondTheVocabularyAllowNothing) {
  const std::vector<float> logits(100, 1.0f);
  const std::vector<std::uint32_t> beyond = {0, 0, 0, 0xfffffff0, 0xffffffff}, last = {0, 0, 0, 8}, too_short = {1};
  LogitRow row;
  row.read(logits);
  row.mask(beyond);
  EXPECT_TRUE(row.is_masked_out());
  row.read(logits);
  row.mask(last);
  EXPECT_FALSE(row.is_masked_out());
  EXPECT_EQ(row.best(), 99);
  row.read(logits);
  row.mask(too_short);
  EXPECT_EQ(row.best(), 0);
  EXPECT_EQ(row.logit(50), -kInfinity);
}

}  // namespace
}  // namespace mlxr::decode
