#include "core/quant/convert.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "core/quant/block_layout.h"
#include "core/quant/half.h"
#include "core/quant/quantize.h"
#include "core/quant/scaled_integers.h"

namespace mlxr::quant {
namespace {

constexpr std::size_t kLargestBlock = 256;

bool fits_half(float scale) { return std::fabs(scale) <= kMaxMagnitude; }

// The writers below return false if the scales do not fit into a block of their type. The whole numbers always fit: stand_in() chooses such
// a type.

// 32 values from `first` on, as Q8_0 or Q4_0: one step for all.
bool write_symmetric(const ScaledIntegers& block, std::size_t first, Type to, std::byte* dst) {
  const std::span<const std::int8_t, 32> q(block.q + first, 32);
  const std::size_t group = first / 16;
  const float step = block.step(group);
  if (!fits_half(step) || block.scale[group] != block.scale[group + 1]) return false;
  const std::uint16_t d = f32_to_f16(step);
  std::memcpy(dst, &d, sizeof d);
  dst += sizeof d;
  if (to == Type::kQ8_0) {
    std::memcpy(dst, q.data(), q.size());
    return true;
  }
  std::uint8_t shifted[32];
  for (std::size_t i = 0; i < q.size(); ++i) shifted[i] = static_cast<std::uint8_t>(q[i] + 8);
  write_32(shifted, false, dst);
  return true;
}

// d * scale * q is 16 d * scale * ((q + 16) / 16 - 1): the minimum is 16 steps below zero.
bool write_q5_k(const ScaledIntegers& block, std::byte* dst) {
  if (!fits_half(block.d * 16)) return false;
  std::uint8_t q[8][32];
  AffineKBlock out{f32_to_f16(block.d), f32_to_f16(block.d * 16), {}, {}, q};
  for (std::size_t group = 0; group < 8; ++group) {
    out.scale[group] = out.min[group] = static_cast<std::uint8_t>(block.scale[2 * group]);
    for (std::size_t i = 0; i < 32; ++i) q[group][i] = static_cast<std::uint8_t>(block.q[group * 32 + i] + 16);
  }
  write_affine_k(out, 5, dst);
  return true;
}

bool write_q6_k(const ScaledIntegers& block, std::byte* dst) {
  if (!fits_half(block.d)) return false;
  std::uint8_t q[256];
  SymmetricKBlock out{f32_to_f16(block.d), {}, q};
  for (std::size_t group = 0; group < 16; ++group) out.scale[group] = static_cast<std::int8_t>(block.scale[group]);
  for (std::size_t i = 0; i < 256; ++i) q[i] = static_cast<std::uint8_t>(block.q[i] + 32);
  write_q6_k(out, dst);
  return true;
}

// Writes the blocks of type `to` that `n` values make. Returns false if some do not fit; those are left as they are.
bool write_integers(const ScaledIntegers& block, std::size_t n, Type to, std::byte* dst) {
  if (to == Type::kQ5_K) return write_q5_k(block, dst);
  if (to == Type::kQ6_K) return write_q6_k(block, dst);
  bool all = true;
  for (std::size_t first = 0; first < n; first += 32, dst += traits(to).block_bytes) all &= write_symmetric(block, first, to, dst);
  return all;
}

bool all_finite(std::span<const float> values) {
  bool all = true;
  for (const float value : values) all &= std::fabs(value) <= std::numeric_limits<float>::max();
  return all;
}

bool encode(std::span<const float> values, Type to, std::byte* dst) {
  if (!all_finite(values)) return false;
  quantize_row(to, values.data(), dst, values.size());
  return true;
}

}  // namespace

Type stand_in(Type type) {
  switch (type) {
    case Type::kQ1_0:
    case Type::kTQ1_0:
    case Type::kTQ2_0: return Type::kQ4_0;
    case Type::kIQ1_S:
    case Type::kIQ3_S: return Type::kQ5_K;
    case Type::kIQ1_M:
    case Type::kIQ3_XXS: return Type::kQ6_K;
    default: return Type::kQ8_0;
  }
}

bool convert_row(Type from, const std::byte* src, std::byte* dst, std::size_t n) {
  const Type to = stand_in(from);
  const Traits& source = traits(from);
  const auto read = integers_decoder(from);
  ScaledIntegers block;
  float values[kLargestBlock];
  for (std::size_t i = 0; i < n; i += source.block_size, src += source.block_bytes, dst += row_bytes(to, source.block_size)) {
    read(src, block);
    if (write_integers(block, source.block_size, to, dst)) continue;
    for (std::size_t j = 0; j < source.block_size; ++j) values[j] = block.value(j);
    if (!encode({values, source.block_size}, to, dst)) return false;
    write_integers(block, source.block_size, to, dst);  // over what was rounded, where the numbers fit
  }
  return true;
}

}  // namespace mlxr::quant
