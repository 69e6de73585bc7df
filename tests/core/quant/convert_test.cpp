#include "core/quant/convert.h"

#include <gtest/gtest.h>

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
  Bytes target(row_bytes(kStandIn, n));
  if (!convert_row(type, packed.data(), target.data(), n)) return {};
  return decode(kStandIn, target);
}

class Convert : public ::testing::TestWithParam<Type> {};

TEST_P(Convert, KeepsTheValues) {
  for (const std::uint16_t scale : {0x0000, 0x0400, 0x1000, 0x2400, 0x7800, 0x8400, 0xf800}) {
    const Bytes packed = random_blocks(GetParam(), 100, 1, scale);
    EXPECT_EQ(converted(GetParam(), packed), decode(GetParam(), packed)) << scale;
  }
}

TEST_P(Convert, RefusesWhatIsNotANumber) {
  for (const std::uint16_t half : {0x7c00, 0xfc00, 0x7e00}) {
    for (const std::size_t at : halves_of(GetParam())) {
      Bytes packed = random_blocks(GetParam(), 600, 1);
      const std::size_t last = packed.size() - traits(GetParam()).block_bytes;
      std::memcpy(&packed[last + at], &half, sizeof half);
      EXPECT_EQ(converted(GetParam(), packed), Floats()) << traits(GetParam()).name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Convert, ::testing::Values(Type::kQ1_0, Type::kTQ1_0, Type::kTQ2_0),
                         [](const auto& test) { return std::string(traits(test.param).name); });

}  // namespace
}  // namespace mlxr::quant
