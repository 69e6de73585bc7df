#include "core/quant/dequantize.h"

#include "core/quant/block_codec.h"
#include "core/quant/scaled_integers.h"

namespace mlxr::quant {
namespace {

constexpr int kHalf = 16;  // of a block of 32: byte i holds value i in its low nibble and value i + 16 in its high one

int low(std::byte b) { return std::to_integer<int>(b) & 15; }
int high(std::byte b) { return std::to_integer<int>(b) >> 4; }

void decode_f32(const std::byte* src, float* dst) { *dst = load<float>(src); }
void decode_f16(const std::byte* src, float* dst) { *dst = load_f16(src); }
void decode_bf16(const std::byte* src, float* dst) { *dst = bf16_to_f32(load<std::uint16_t>(src)); }

// d (f16), 16 bytes of nibbles: d * (q - 8)
void decode_q4_0(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const std::byte* qs = src + 2;
  for (int i = 0; i < kHalf; ++i) {
    dst[i] = d * static_cast<float>(low(qs[i]) - 8);
    dst[i + kHalf] = d * static_cast<float>(high(qs[i]) - 8);
  }
}

// d, m (f16), 16 bytes of nibbles: d * q + m
void decode_q4_1(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const float m = load_f16(src + 2);
  const std::byte* qs = src + 4;
  for (int i = 0; i < kHalf; ++i) {
    dst[i] = d * static_cast<float>(low(qs[i])) + m;
    dst[i + kHalf] = d * static_cast<float>(high(qs[i])) + m;
  }
}

// The fifth bit of value i is bit i of a 32-bit word.
int fifth_bit(std::uint32_t qh, int i) { return static_cast<int>(qh >> i & 1) << 4; }

// d (f16), fifth bits, 16 bytes of nibbles: d * (q - 16)
void decode_q5_0(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const auto qh = load<std::uint32_t>(src + 2);
  const std::byte* qs = src + 6;
  for (int i = 0; i < kHalf; ++i) {
    dst[i] = d * static_cast<float>((low(qs[i]) | fifth_bit(qh, i)) - 16);
    dst[i + kHalf] = d * static_cast<float>((high(qs[i]) | fifth_bit(qh, i + kHalf)) - 16);
  }
}

// d, m (f16), fifth bits, 16 bytes of nibbles: d * q + m
void decode_q5_1(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const float m = load_f16(src + 2);
  const auto qh = load<std::uint32_t>(src + 4);
  const std::byte* qs = src + 8;
  for (int i = 0; i < kHalf; ++i) {
    dst[i] = d * static_cast<float>(low(qs[i]) | fifth_bit(qh, i)) + m;
    dst[i + kHalf] = d * static_cast<float>(high(qs[i]) | fifth_bit(qh, i + kHalf)) + m;
  }
}

// d (f16), 32 signed bytes: d * q
void decode_q8_0(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  for (int i = 0; i < 2 * kHalf; ++i) dst[i] = d * static_cast<float>(load<std::int8_t>(src + 2 + i));
}

using BlockDecoder = void (*)(const std::byte* src, float* dst);

BlockDecoder decoder(Type type) {
  switch (type) {
    case Type::kF32: return decode_f32;
    case Type::kF16: return decode_f16;
    case Type::kBF16: return decode_bf16;
    case Type::kQ4_0: return decode_q4_0;
    case Type::kQ4_1: return decode_q4_1;
    case Type::kQ5_0: return decode_q5_0;
    case Type::kQ5_1: return decode_q5_1;
    case Type::kQ8_0: return decode_q8_0;
    case Type::kQ2_K: return decode_q2_k;
    case Type::kQ4_K: return decode_q4_k;
    case Type::kQ5_K: return decode_q5_k;
    case Type::kQ6_K: return decode_q6_k;
    default: return decode_f32;  // not reached: the others have the form of scaled integers
  }
}

void decode_integers(IntegersDecoder decode, const Traits& type, const std::byte* src, float* dst, std::size_t n) {
  ScaledIntegers block;
  for (std::size_t i = 0; i < n; i += type.block_size, src += type.block_bytes) {
    decode(src, block);
    for (std::size_t j = 0; j < type.block_size; ++j) dst[i + j] = block.value(j);
  }
}

}  // namespace

void dequantize_row(Type type, const std::byte* src, float* dst, std::size_t n) {
  const Traits& block = traits(type);
  if (const auto integers = integers_decoder(type)) return decode_integers(integers, block, src, dst, n);
  const BlockDecoder decode = decoder(type);
  for (std::size_t i = 0; i < n; i += block.block_size, src += block.block_bytes) decode(src, dst + i);
}

}  // namespace mlxr::quant
