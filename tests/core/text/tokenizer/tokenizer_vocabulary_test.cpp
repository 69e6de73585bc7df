#include "core/text/tokenizer_vocabulary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>

namespace mlxr::text {
namespace {

TEST(TokenTable, FindsEveryTextAndTheLaterOfTwo) {
  const std::string_view texts[] = {"a", "bc", "", "a", "a longer text of more than eight bytes"};
  const TokenTable table(texts);
  EXPECT_EQ(table.find("a"), 3);
  EXPECT_EQ(table.find("bc"), 1);
  EXPECT_EQ(table.find(""), 2);
  EXPECT_EQ(table.find(texts[4]), 4);
  EXPECT_FALSE(table.find("b"));
}

// The second word cancels the first, so that all tokens had the same hash before the hash was keyed: half a million took a quarter of an
// hour, which this test's time limit would catch.
TEST(TokenTable, IsNotSlowedByTextsMadeToCollide) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  constexpr std::size_t kCount = 1 << 19;
  std::vector<std::string> kept(kCount, std::string(16, '\0'));
  std::vector<std::string_view> texts;
  for (std::uint64_t first = 0; first < kCount; ++first) {
    const std::uint64_t second = std::rotl((std::rotl(16 * kMultiplier, 23) ^ first) * kMultiplier, 23);
    std::memcpy(kept[first].data(), &first, 8);
    std::memcpy(kept[first].data() + 8, &second, 8);
    texts.push_back(kept[first]);
  }
  const TokenTable table(texts);
  for (std::size_t i = 0; i < kCount; i += 1000) EXPECT_EQ(table.find(texts[i]), static_cast<TokenId>(i));
}

}  // namespace
}  // namespace mlxr::text
