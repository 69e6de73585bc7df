// The K types: blocks of 256 values.
#include "core/quant/block_codec.h"

namespace mlxr::quant {
namespace {

constexpr int kBlock = 256;

int bits(const std::byte* src, int index, int shift, int mask) { return std::to_integer<int>(src[index]) >> shift & mask; }

// Scale and minimum of group j (of 8), 6 bits each in 12 bytes: the first four of each lie in the low bits of bytes 0-3 and 4-7;
// the last four have their low nibbles in bytes 8-11 and their upper two bits on top of the first eight bytes.
struct ScaleMin {
  int scale;
  int min;
};
ScaleMin scale_min(const std::byte* packed, int j) {
  if (j < 4) return {bits(packed, j, 0, 63), bits(packed, j + 4, 0, 63)};
  return {bits(packed, j + 4, 0, 15) | bits(packed, j - 4, 6, 3) << 4, bits(packed, j + 4, 4, 15) | bits(packed, j, 6, 3) << 4};
}

}  // namespace

// 16 bytes of scale and minimum nibbles, 64 bytes of 2-bit values, d, dmin (f16). Groups of 16.
void decode_q2_k(const std::byte* src, float* dst) {
  const std::byte* scales = src;
  const std::byte* qs = src + 16;
  const float d = load_f16(src + 80);
  const float dmin = load_f16(src + 82);
  for (int i = 0; i < kBlock; ++i) {
    const float scale = d * static_cast<float>(bits(scales, i / 16, 0, 15));
    const float min = dmin * static_cast<float>(bits(scales, i / 16, 4, 15));
    const int q = bits(qs, i / 128 * 32 + i % 32, i % 128 / 32 * 2, 3);
    dst[i] = scale * static_cast<float>(q) - min;
  }
}

// d, dmin (f16), 12 bytes of scales and minima, 128 bytes of nibbles. Groups of 32.
void decode_q4_k(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const float dmin = load_f16(src + 2);
  const std::byte* qs = src + 16;
  for (int group = 0; group < 8; ++group) {
    const auto [s, m] = scale_min(src + 4, group);
    const float scale = d * static_cast<float>(s);
    const float min = dmin * static_cast<float>(m);
    for (int l = 0; l < 32; ++l) {
      const int q = bits(qs, group / 2 * 32 + l, group % 2 * 4, 15);
      dst[group * 32 + l] = scale * static_cast<float>(q) - min;
    }
  }
}

// d, dmin (f16), 12 bytes of scales and minima, 32 bytes of fifth bits, 128 bytes of nibbles. Groups of 32.
void decode_q5_k(const std::byte* src, float* dst) {
  const float d = load_f16(src);
  const float dmin = load_f16(src + 2);
  const std::byte* fifth = src + 16;
  const std::byte* qs = src + 48;
  for (int group = 0; group < 8; ++group) {
    const auto [s, m] = scale_min(src + 4, group);
    const float scale = d * static_cast<float>(s);
    const float min = dmin * static_cast<float>(m);
    for (int l = 0; l < 32; ++l) {
      const int q = bits(qs, group / 2 * 32 + l, group % 2 * 4, 15) | bits(fifth, l, group, 1) << 4;
      dst[group * 32 + l] = scale * static_cast<float>(q) - min;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 signed scales, d (f16). Groups of 16.
void decode_q6_k(const std::byte* src, float* dst) {
  const std::byte* ql = src;
  const std::byte* qh = src + 128;
  const std::byte* scales = src + 192;
  const float d = load_f16(src + 208);
  for (int i = 0; i < kBlock; ++i) {
    const int half = i / 128;
    const int in_half = i % 128;
    const int q = bits(ql, half * 64 + in_half % 64, in_half / 64 * 4, 15) | bits(qh, half * 32 + in_half % 32, in_half / 32 * 2, 3) << 4;
    const float scale = d * static_cast<float>(load<std::int8_t>(scales + i / 16));
    dst[i] = scale * static_cast<float>(q - 32);
  }
}

}  // namespace mlxr::quant
