#include "core/formats/folder/mlx_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/formats/folder/small_floats.h"
#include "core/quant/half.h"

namespace mlxr::formats {
namespace {

constexpr float kSmallestScale = 1e-7f, kLargestE2m1 = 6;

// The nearest of the 16 values, an even one where two are equally near.
std::uint8_t to_e2m1(float value) {
  const float x = std::fabs(value);
  const int above = (x > 0.25f) + (x >= 0.75f) + (x > 1.25f) + (x >= 1.75f) + (x > 2.5f) + (x >= 3.5f) + (x > 5.0f);
  return static_cast<std::uint8_t>(above | (above > 0 && value < 0 ? 8 : 0));
}

// The values' bits one after the other, from the lowest on.
void pack(std::span<const std::uint8_t> values, std::int64_t bits, std::byte* to) {
  std::uint32_t held = 0;
  std::int64_t count = 0;
  for (const auto value : values) {
    held |= static_cast<std::uint32_t>(value) << count;
    for (count += bits; count >= 8; count -= 8) {
      *to++ = static_cast<std::byte>(held & 0xff);
      held >>= 8;
    }
  }
}

}  // namespace

void MlxEncoder::encode(std::span<const float> values, const MlxRow& to) const {
  std::vector<std::uint8_t> bits(values.size());
  for (std::size_t at = 0; at < values.size(); at += group()) {
    const auto of_group = values.subspan(at, group());
    if (packing_.mode == MlxMode::kAffine) {
      encode_affine(of_group, at / group(), bits.data() + at, to);
    } else {
      encode_mxfp4(of_group, at / group(), bits.data() + at, to);
    }
  }
  pack(bits, packing_.bits, to.bits.data());
}

void MlxEncoder::encode_affine(std::span<const float> values, std::size_t group, std::uint8_t* bits, const MlxRow& to) const {
  const auto [low, high] = std::ranges::minmax(values);
  const auto steps = static_cast<float>((1 << packing_.bits) - 1);
  float scale = std::max((high - low) / steps, kSmallestScale), bias = 0;
  const bool from_low = std::fabs(low) > std::fabs(high);
  if (!from_low) scale = -scale;
  const float edge = from_low ? low : high, at_edge = std::rint(edge / scale);
  if (at_edge != 0) {
    scale = edge / at_edge;
    bias = edge;
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    bits[i] = static_cast<std::uint8_t>(std::clamp(std::rint((values[i] - bias) / scale), 0.0f, steps));
  put(scale, to.scales.data() + group * scale_bytes());
  put(bias, to.biases.data() + group * scale_bytes());
}

void MlxEncoder::encode_mxfp4(std::span<const float> values, std::size_t group, std::uint8_t* bits, const MlxRow& to) const {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  const float wanted = largest / kLargestE2m1;
  auto exponent = static_cast<std::uint8_t>(wanted > 0 ? std::clamp(std::rint(std::log2(wanted)), -127.0f, 127.0f) + 127 : 0);
  if (exponent < 0xfe && e8m0_to_f32(exponent) < wanted) ++exponent;
  const float scale = e8m0_to_f32(exponent);
  for (std::size_t i = 0; i < values.size(); ++i) bits[i] = to_e2m1(values[i] / scale);
  to.scales[group] = static_cast<std::byte>(exponent);
}

void MlxEncoder::put(float value, std::byte* to) const {
  if (type_ == Dtype::kF32) return static_cast<void>(std::memcpy(to, &value, sizeof value));
  const auto half = type_ == Dtype::kF16 ? quant::f32_to_f16(value) : quant::f32_to_bf16(value);
  std::memcpy(to, &half, sizeof half);
}

}  // namespace mlxr::formats
