#include "core/quant/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/quant/dequantize.h"
#include "core/quant/half.h"
#include "tests/core/quant/random_blocks.h"

namespace mlxr::quant {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

Floats decode(Type type, const Bytes& packed) {
  Floats values(packed.size() / traits(type).block_bytes * traits(type).block_size);
  dequantize_row(type, packed.data(), values.data(), values.size());
  return values;
}

// The values of blocks after their conversion. Nothing if they cannot be converted.
Floats converted(Type type, const Bytes& packed) {
  const std::size_t n = packed.size() / traits(type).block_bytes * traits(type).block_size;
  Bytes target(row_bytes(stand_in(type), n));
  if (!convert_row(type, packed.data(), target.data(), n)) return {};
  return decode(stand_in(type), target);
}

struct Case {
  Type type;
  Type to;
  double rms;      // bound of the error, of the values' own root mean square
  double largest;  // of the largest of 32 values
};

// b bits per value lose at least 2^-b of the root mean square of normal weights (Shannon's rate-distortion bound): 0.20 with IQ2_XS's 2.3
// bits. What a conversion adds is far below that.
constexpr Case kCases[] = {
    {Type::kQ1_0, Type::kQ4_0, 0, 0},
    {Type::kTQ1_0, Type::kQ4_0, 0, 0},
    {Type::kTQ2_0, Type::kQ4_0, 0, 0},
    {Type::kIQ1_S, Type::kQ5_K, 0, 0},
    {Type::kIQ3_S, Type::kQ5_K, 0, 0},
    {Type::kIQ1_M, Type::kQ6_K, 0, 0},
    {Type::kIQ3_XXS, Type::kQ6_K, 0, 0},
    {Type::kIQ2_XXS, Type::kQ8_0, 0.0003, 1.0 / 2048},
    {Type::kIQ2_XS, Type::kQ8_0, 0.006, 1.0 / 253},
    {Type::kIQ2_S, Type::kQ8_0, 0.006, 1.0 / 253},
};

class Convert : public ::testing::TestWithParam<Case> {
 protected:
  const Case case_ = GetParam();
  const Bytes packed_ = random_blocks(case_.type, 600, 1);
};

TEST_P(Convert, KeepsTheValues) {
  EXPECT_EQ(stand_in(case_.type), case_.to);
  const Floats values = decode(case_.type, packed_);
  const Floats found = converted(case_.type, packed_);
  ASSERT_EQ(found.size(), values.size());
  if (case_.rms == 0) {
    EXPECT_EQ(found, values);
    return;
  }
  double error = 0;
  double square = 0;
  for (std::size_t i = 0; i < values.size(); i += 32) {
    double largest = 0;
    for (std::size_t j = i; j < i + 32; ++j) largest = std::max(largest, std::fabs(double{values[j]}));
    for (std::size_t j = i; j < i + 32; ++j) {
      const double off = double{found[j]} - values[j];
      EXPECT_LE(std::fabs(off), largest * case_.largest) << j;
      error += off * off;
      square += double{values[j]} * values[j];
    }
  }
  RecordProperty("error", std::to_string(std::sqrt(error / square)));
  EXPECT_LE(std::sqrt(error / square), case_.rms);
}

TEST_P(Convert, ABlockOfZerosStaysZero) {
  Bytes zeros = random_blocks(case_.type, 1, 2);
  for (const std::size_t at : halves_of(case_.type)) zeros[at] = zeros[at + 1] = std::byte{0};
  if (halves_of(case_.type).empty()) std::fill(zeros.begin(), zeros.end(), std::byte{0});
  for (const float value : converted(case_.type, zeros)) EXPECT_EQ(value, 0) << traits(case_.type).name;
}

// Scales that half precision holds only roughly, or not at all, in the type of the stand-in.
TEST_P(Convert, ExtremeScalesStayFiniteAndClose) {
  for (const std::uint16_t scale : {0x0000, 0x0400, 0x0800, 0x1000, 0x7000, 0x7800, 0x8400, 0xf800}) {
    const Bytes packed = random_blocks(case_.type, 20, 3, scale);
    const Floats values = decode(case_.type, packed);
    const Floats found = converted(case_.type, packed);
    ASSERT_EQ(found.size(), values.size());
    for (std::size_t i = 0; i < values.size(); i += 32) {
      float largest = 0;
      for (std::size_t j = i; j < i + 32; ++j) largest = std::max(largest, std::fabs(values[j]));
      for (std::size_t j = i; j < i + 32; ++j) {
        ASSERT_TRUE(std::isfinite(found[j]));
        if (largest < 65504) {
          ASSERT_NEAR(found[j], values[j], largest / 16 + 0x1p-15f) << scale << " " << j;
        }
      }
    }
  }
}

TEST_P(Convert, RefusesWhatIsNotANumber) {
  for (const std::uint16_t half : {0x7c00, 0xfc00, 0x7e00}) {
    for (const std::size_t at : halves_of(case_.type)) {
      Bytes packed = packed_;
      const std::size_t last = packed.size() - traits(case_.type).block_bytes;
      std::memcpy(&packed[last + at], &half, sizeof half);
      EXPECT_EQ(converted(case_.type, packed), Floats()) << traits(case_.type).name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Convert, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(traits(test.param.type).name); });

}  // namespace
}  // namespace mlxr::quant
