#include "core/quant/type.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/quant/half.h"
#include "kernels/cpu/types.h"

namespace mlxr::quant {
namespace {

TEST(Type, NamesEveryNumberOfGguf) {
  EXPECT_EQ(name_of_number(12), "Q4_K");
  EXPECT_EQ(name_of_number(39), "MXFP4");
  EXPECT_EQ(name_of_number(9), "Q8_1");  // of activations, never of weights
  EXPECT_EQ(name_of_number(99), "99");
}

TEST(Type, IsFoundByNumberOnlyWhenItCanBeDecoded) {
  EXPECT_EQ(from_number(14), Type::kQ6_K);
  EXPECT_EQ(from_number(30), Type::kBF16);
  EXPECT_EQ(from_number(16), Type::kIQ2_XXS);
  EXPECT_EQ(from_number(41), Type::kQ1_0);
  for (const std::uint32_t number : {4u, 9u, 15u, 24u, 26u, 28u, 31u, 36u, 42u}) EXPECT_EQ(from_number(number), std::nullopt) << number;
  EXPECT_EQ(from_number(4294967295u), std::nullopt);
}

TEST(Type, KnowsTheBytesOfARow) {
  EXPECT_EQ(row_bytes(Type::kF32, 3), 12u);
  EXPECT_EQ(row_bytes(Type::kQ4_1, 576), 360u);
  EXPECT_EQ(row_bytes(Type::kQ6_K, 512), 420u);
  EXPECT_EQ(row_bytes(Type::kNVFP4, 64), 36u);
}

// The CPU pack has a table of its own, because it is versioned apart from the engine.
TEST(Type, TheKernelPackHasTheSameBlocks) {
  int common = 0;
  for (std::uint32_t number = 0; number < 64; ++number) {
    const auto layout = kernels::layout(number);
    if (layout.block_values == 0) continue;
    const auto type = from_number(number);
    ASSERT_TRUE(type) << number;
    EXPECT_EQ(traits(*type).block_size, static_cast<std::size_t>(layout.block_values)) << traits(*type).name;
    EXPECT_EQ(traits(*type).block_bytes, static_cast<std::size_t>(layout.block_bytes)) << traits(*type).name;
    ++common;
  }
  EXPECT_EQ(common, 24);
}

TEST(Half, NarrowingUndoesWideningForEveryValue) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const auto bits = static_cast<std::uint16_t>(h);
    if (!std::isnan(f16_to_f32(bits))) {
      EXPECT_EQ(f32_to_f16(f16_to_f32(bits)), bits);
    }
    if (!std::isnan(bf16_to_f32(bits))) {
      EXPECT_EQ(f32_to_bf16(bf16_to_f32(bits)), bits);
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), f32_to_f16(1.0f));  // a tie goes to the even neighbour
  EXPECT_EQ(f32_to_f16(1.0f + 0x3p-11f), f32_to_f16(1.0f + 0x1p-9f));
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0);  // half of the least subnormal
  EXPECT_EQ(f32_to_f16(0x1.002p-25f), 1);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), f32_to_bf16(1.0f));
}

TEST(Half, OverflowsToInfinityAndKeepsNaN) {
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xfc00);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
}

}  // namespace
}  // namespace mlxr::quant
