#include "core/quant/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/quant/dequantize.h"
#include "core/quant/encode.h"
#include "core/quant/half.h"

namespace mlxr::quant {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

constexpr Type kBlockTypes[] = {Type::kQ4_0, Type::kQ4_1, Type::kQ5_0, Type::kQ5_1, Type::kQ8_0, Type::kQ4_K, Type::kQ5_K, Type::kQ6_K};

Bytes encode(Type type, const Floats& values) {
  Bytes packed(row_bytes(type, values.size()));
  quantize_row(type, values.data(), packed.data(), values.size());
  return packed;
}

Floats decode(Type type, const Bytes& packed) {
  Floats values(packed.size() / traits(type).block_bytes * traits(type).block_size);
  dequantize_row(type, packed.data(), values.data(), values.size());
  return values;
}

Floats stored(Type type, const Floats& values) { return decode(type, encode(type, values)); }

Floats normal(std::size_t n, float deviation, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, deviation);
  Floats values(n);
  std::ranges::generate(values, [&] { return draw(random); });
  return values;
}

// Root of the mean squared error, of the values' own root mean square.
double relative_error(const Floats& values, const Floats& found) {
  double error = 0;
  double square = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(double{values[i]} - found[i], 2);
    square += std::pow(double{values[i]}, 2);
  }
  return std::sqrt(error / square);
}

bool all_finite(const Floats& values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

TEST(Quantize, LosesNoMoreThanItsBitsExplain) {
  const Floats values = normal(256 * 400, 0.02f);
  // The error of llama.cpp's encoders without an importance matrix is 1.00 to 1.14 times as large on such values (bench/quantize.py).
  const std::pair<Type, double> bounds[] = {{Type::kQ4_0, 0.0815}, {Type::kQ4_1, 0.0700}, {Type::kQ5_0, 0.0405}, {Type::kQ5_1, 0.0336},
                                            {Type::kQ8_0, 0.0054}, {Type::kQ4_K, 0.0705}, {Type::kQ5_K, 0.0346}, {Type::kQ6_K, 0.0168},
                                            {Type::kF16, 0.00025}, {Type::kBF16, 0.0018}, {Type::kF32, 0.0}};
  for (const auto& [type, bound] : bounds) EXPECT_LE(relative_error(values, stored(type, values)), bound) << traits(type).name;
}

TEST(Quantize, KeepsWhatTheFormatHoldsExactly) {
  std::mt19937 random(7);
  for (const Type type : kBlockTypes) {
    // Blocks of random bytes with scales that are ordinary, and then all values a second time through the encoder. The first values of
    // every group are made the ends of its range, and the first group has the largest scales: a block without these has another one that is
    // its equal.
    Bytes packed(traits(type).block_bytes * 50);
    std::ranges::generate(packed, [&] { return static_cast<std::byte>(random()); });
    const auto put = [&](std::size_t block, std::size_t at, const std::vector<int>& bytes) {
      for (std::size_t i = 0; i < bytes.size(); ++i) packed[block * traits(type).block_bytes + at + i] = static_cast<std::byte>(bytes[i]);
    };
    for (std::size_t b = 0; b < 50; ++b) {
      const int low = static_cast<int>(random() % 256);  // of the scale's fraction
      switch (type) {
        case Type::kQ4_0: put(b, 0, {low, 0x20, 0x70}); break;                         // q = 0 stands for -8
        case Type::kQ5_0: put(b, 0, {low, 0x20, 0, 0, 0, 0, 0x70}); break;             // q = 0 stands for -16
        case Type::kQ4_1: put(b, 0, {low, 0x20, low, 0xa4, 0xf0}); break;              // 0 and 15
        case Type::kQ5_1: put(b, 0, {low, 0x20, low, 0xa4, 0, 0, 1, 0, 0xf0}); break;  // 0 and 31
        case Type::kQ8_0:
          for (std::size_t i = 0; i < 34; ++i) {  // -128 is never written
            if (packed[b * 34 + i] == std::byte{128}) packed[b * 34 + i] = std::byte{0};
          }
          put(b, 0, {low, 0x20, 127});
          break;
        case Type::kQ4_K:
        case Type::kQ5_K:
          put(b, 0, {low, 0x20, low, 0x24, 63, 20, 30, 40, 63, 10, 20, 30, 0x99, 0x88, 0x77, 0x66});
          for (std::size_t j = 0; j < 8; j += 2) put(b, (type == Type::kQ4_K ? 16 : 48) + j / 2 * 32, {0x00, 0xff});
          if (type == Type::kQ5_K) put(b, 16, {0x00, 0xff});
          break;
        case Type::kQ6_K:
          for (std::size_t g = 0; g < 16; ++g) {
            put(b, 192 + g, {g == 0 ? -128 : static_cast<int>(20 + g)});
            const std::size_t half = g / 8;  // value 0 of the group gets q = 0, which stands for -32
            const std::size_t at = half * 64 + g % 4 * 16;
            packed[b * 210 + at] &= static_cast<std::byte>(0);
          }
          for (std::size_t l = 0; l < 64; l += 16) packed[b * 210 + 128 + l] = std::byte{0};
          put(b, 208, {low, 0x10});
          break;
        default: break;
      }
    }
    const Floats values = decode(type, packed);
    ASSERT_TRUE(all_finite(values));
    EXPECT_EQ(stored(type, values), values) << traits(type).name;
  }
}

// Of the formats that have one step for all values of a block: each value lies within half of it, or beyond the end of the range.
TEST(Quantize, ChoosesTheNearestOfABlocksValues) {
  const struct {
    Type type;
    bool has_min;
    int lo, hi;
  } formats[] = {{Type::kQ4_0, false, -8, 7},
                 {Type::kQ4_1, true, 0, 15},
                 {Type::kQ5_0, false, -16, 15},
                 {Type::kQ5_1, true, 0, 31},
                 {Type::kQ8_0, false, -127, 127}};
  Floats values = normal(32 * 500, 3.0f);
  const Floats tiny = normal(32 * 500, 1e-5f);  // steps among the subnormal halves are coarse: one that was rounded down would clip
  values.insert(values.end(), tiny.begin(), tiny.end());
  for (const auto& format : formats) {
    const Bytes packed = encode(format.type, values);
    const Floats found = decode(format.type, packed);
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint16_t halves[2];
      std::memcpy(halves, packed.data() + i / 32 * traits(format.type).block_bytes, sizeof halves);
      const double step = f16_to_f32(halves[0]);
      const double min = format.has_min ? f16_to_f32(halves[1]) : 0.0;
      const double nearest = min + step * std::clamp(std::round((values[i] - min) / step), double(format.lo), double(format.hi));
      EXPECT_LE(std::fabs(values[i] - found[i]), std::fabs(values[i] - nearest) + std::fabs(step) * 1e-5)
          << traits(format.type).name << " " << i;
      if (format.type == Type::kQ8_0) {
        EXPECT_LE(std::fabs(values[i] - found[i]), std::fabs(step) * 0.5001);
      }
    }
  }
}

TEST(Quantize, ABlocksBytesDependOnItsValuesOnly) {
  for (const Type type : kBlockTypes) {
    const std::size_t block = traits(type).block_size;
    const Floats values = normal(block * 37, 1.0f);
    const Bytes together = encode(type, values);
    Bytes apart;
    for (std::size_t i = 0; i < values.size(); i += block) {
      const Bytes one = encode(type, Floats(values.begin() + static_cast<long>(i), values.begin() + static_cast<long>(i + block)));
      apart.insert(apart.end(), one.begin(), one.end());
    }
    EXPECT_EQ(together, apart) << traits(type).name;
  }
}

TEST(Quantize, ZerosAndConstants) {
  for (const Type type : kBlockTypes) {
    const Floats zeros(512, 0.0f);
    EXPECT_EQ(stored(type, zeros), zeros) << traits(type).name;
    for (const float value : {1.0f, -0.37f, 4096.0f}) {
      for (const float x : stored(type, Floats(512, value))) EXPECT_NEAR(x, value, std::fabs(value) * 0x1p-10) << traits(type).name;
    }
  }
}

TEST(Quantize, OneOutlierDoesNotMakeTheScaleUseless) {
  for (const Type type : kBlockTypes) {
    Floats values = normal(512, 0.02f);
    values[100] = 5.0f;
    const Floats found = stored(type, values);
    EXPECT_NEAR(found[100], 5.0f, 0.1f) << traits(type).name;
    EXPECT_LT(relative_error(values, found), 0.1) << traits(type).name;
  }
}

TEST(Quantize, ExtremeValuesStayFinite) {
  const Floats extremes[] = {Floats(256, 65504.0f), Floats(256, -65504.0f), Floats(256, 1e-40f), Floats(256, 6e-8f),
                             Floats(256, -3e38f),   normal(256, 1e-7f),     normal(256, 3e4f)};
  for (const Type type : kBlockTypes) {
    for (Floats values : extremes) {
      EXPECT_TRUE(all_finite(stored(type, values))) << traits(type).name << " " << values[0];
      values[17] = -values[17];
      values[18] = 0;
      EXPECT_TRUE(all_finite(stored(type, values))) << traits(type).name << " " << values[0];
    }
    for (const float x : stored(type, Floats(256, 65504.0f))) EXPECT_NEAR(x, 65504.0f, 64.0f) << traits(type).name;
  }
  EXPECT_EQ(stored(Type::kF16, {1e6f, -1e6f, 65519.0f, 6e-8f, 1e-40f}), (Floats{65504.0f, -65504.0f, 65504.0f, 0x1p-24f, 0.0f}));
  EXPECT_EQ(stored(Type::kBF16, {1e38f})[0], bf16_to_f32(f32_to_bf16(1e38f)));
  EXPECT_EQ(stored(Type::kBF16, {3.4e38f})[0], 0x1.fep127f);
  EXPECT_EQ(stored(Type::kF32, {1e-40f, 3e38f}), (Floats{1e-40f, 3e38f}));
}

TEST(Quantize, EveryInstructionSetGivesTheSameBytes) {
  std::vector<std::pair<std::string, BlocksEncoder>> variants;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) variants.emplace_back("avx2", avx2::encode_blocks);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    variants.emplace_back("avx512", avx512::encode_blocks);
#endif
  if (variants.empty()) GTEST_SKIP() << "this processor has the baseline only";
  Floats values = normal(256 * 60, 0.02f);
  for (std::size_t i = 0; i < values.size(); i += 97) values[i] *= 1000;
  for (const auto& more : {normal(2560, 1e-6f), normal(2560, 20000.0f), Floats(256, 0.0f), Floats(256, -1e-39f), Floats(256, 7.0f)})
    values.insert(values.end(), more.begin(), more.end());
  for (const Type type : kBlockTypes) {
    const std::size_t n_blocks = values.size() / traits(type).block_size;
    Bytes expected(row_bytes(type, values.size()));
    baseline::encode_blocks(type, values.data(), expected.data(), n_blocks);
    for (const auto& [name, encode_blocks] : variants) {
      Bytes actual(expected.size());
      encode_blocks(type, values.data(), actual.data(), n_blocks);
      EXPECT_EQ(actual, expected) << traits(type).name << " " << name;
    }
  }
}

}  // namespace
}  // namespace mlxr::quant
