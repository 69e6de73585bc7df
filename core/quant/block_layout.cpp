#include "core/quant/block_layout.h"

#include <cstring>

namespace mlxr::quant {
namespace {

void write_half(std::uint16_t half, std::byte* dst) { std::memcpy(dst, &half, sizeof half); }

}  // namespace

void write_32(const std::uint8_t* q, bool with_fifth_bits, std::byte* dst) {
  if (with_fifth_bits) {
    for (int i = 0; i < 32; i += 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, q + i, sizeof eight);
      // The product has bit 4 of byte j at place 56 + j.
      *dst++ = static_cast<std::byte>((eight >> 4 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
    }
  }
  for (int i = 0; i < 16; ++i) dst[i] = static_cast<std::byte>((q[i] & 15) | (q[i + 16] & 15) << 4);
}

// d, dmin, 12 bytes of scales and minima, fifth bits, nibbles.
void write_affine_k(const AffineKBlock& block, int bits, std::byte* dst) {
  write_half(block.d, dst);
  write_half(block.dmin, dst + 2);
  std::uint8_t packed[12] = {};
  for (int j = 0; j < 8; ++j) {
    const unsigned s = block.scale[j];
    const unsigned m = block.min[j];
    if (j < 4) {
      packed[j] |= static_cast<std::uint8_t>(s);
      packed[j + 4] |= static_cast<std::uint8_t>(m);
    } else {  // low nibbles in bytes of their own, upper two bits on top of those of group j - 4
      packed[j + 4] = static_cast<std::uint8_t>((s & 15) | (m & 15) << 4);
      packed[j - 4] |= static_cast<std::uint8_t>(s >> 4 << 6);
      packed[j] |= static_cast<std::uint8_t>(m >> 4 << 6);
    }
  }
  std::memcpy(dst + 4, packed, sizeof packed);
  std::byte* qs = dst + 16;
  if (bits == 5) {
    std::uint8_t fifth[32] = {};
    for (int j = 0; j < 8; ++j) {
      for (int l = 0; l < 32; ++l) fifth[l] |= static_cast<std::uint8_t>(block.q[j][l] >> 4 << j);
    }
    std::memcpy(qs, fifth, sizeof fifth);
    qs += sizeof fifth;
  }
  for (int j = 0; j < 8; j += 2) {
    for (int l = 0; l < 32; ++l) qs[j / 2 * 32 + l] = static_cast<std::byte>((block.q[j][l] & 15) | (block.q[j + 1][l] & 15) << 4);
  }
}

// 128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 signed scales, d. Of each half of 128 values, four lines of 32 share a byte.
void write_q6_k(const SymmetricKBlock& block, std::byte* dst) {
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* line = block.q + half * 128;
    for (int l = 0; l < 64; ++l) dst[half * 64 + l] = static_cast<std::byte>((line[l] & 15) | (line[l + 64] & 15) << 4);
    for (int l = 0; l < 32; ++l) {
      dst[128 + half * 32 + l] =
          static_cast<std::byte>(line[l] >> 4 | line[l + 32] >> 4 << 2 | line[l + 64] >> 4 << 4 | line[l + 96] >> 4 << 6);
    }
  }
  std::memcpy(dst + 192, block.scale, sizeof block.scale);
  write_half(block.d, dst + 208);
}

}  // namespace mlxr::quant
