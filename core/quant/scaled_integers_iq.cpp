// IQ1 to IQ3: an index into a grid chooses 4 or 8 values at once. Signs are kept apart from magnitudes, except in IQ1. Blocks of 256.
#include <array>
#include <bit>
#include <cstring>

#include "core/quant/block_codec.h"
#include "core/quant/iq_grids.inc.h"
#include "core/quant/scaled_integers.h"
#include "core/quant/signs.h"

namespace mlxr::quant {
namespace {

// The grid with the values themselves, a byte each, instead of their indices.
template <class Word, std::size_t kEntries, std::size_t kChoices>
consteval std::array<Word, kEntries> expand(const std::uint16_t (&packed)[kEntries], const std::int8_t (&choices)[kChoices]) {
  constexpr unsigned kValues = sizeof(Word);
  constexpr unsigned kBits = 16 / kValues;
  std::array<Word, kEntries> grid{};
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    for (unsigned i = 0; i < kValues; ++i)
      grid[entry] |= Word{static_cast<std::uint8_t>(choices[packed[entry] >> i * kBits & ((1u << kBits) - 1)])} << 8 * i;
  }
  return grid;
}

constexpr auto kIq1 = expand<std::uint64_t>(kIq1Grid, {-8, 0, 8});  // in eighths
constexpr auto kIq2Xxs = expand<std::uint64_t>(kIq2XxsGrid, {8, 25, 43});
constexpr auto kIq2Xs = expand<std::uint64_t>(kIq2XsGrid, {8, 25, 43});
constexpr auto kIq2S = expand<std::uint64_t>(kIq2SGrid, {8, 25, 43});
constexpr auto kIq3Xxs = expand<std::uint32_t>(kIq3XxsGrid, {2, 6, 10, 14, 18, 22, 26, 31});
constexpr auto kIq3S = expand<std::uint32_t>(kIq3SGrid, {1, 3, 5, 7, 9, 11, 13, 15});

int bits(std::byte b, int shift, int mask) { return std::to_integer<int>(b) >> shift & mask; }

// Signs of 8 values in 7 bits: an even number of them is negative, which gives the eighth.
std::uint8_t even_signs(std::uint32_t seven) {
  seven &= 127;
  return static_cast<std::uint8_t>(seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7);
}

void write_shifted(std::uint64_t values, int shift, std::int8_t* q) {
  std::int8_t bytes[8];
  std::memcpy(bytes, &values, sizeof bytes);
  for (int i = 0; i < 8; ++i) q[i] = static_cast<std::int8_t>(bytes[i] + shift);
}

}  // namespace

// d (f16), 32 low bytes of indices, 8 words: of a group of 32, the upper 3 bits of four indices, a 3-bit scale, and the sign of the eighth
// that is added to its values
void read_iq1_s(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src) / 8;
  for (int group = 0; group < 8; ++group) {
    const auto word = load<std::uint16_t>(src + 34 + group * 2);
    set_scales_of_32(block, group, 2 * (word >> 12 & 7) + 1);
    for (int l = 0; l < 4; ++l) {
      const int index = std::to_integer<int>(src[2 + group * 4 + l]) | (word >> l * 3 & 7) << 8;
      write_shifted(kIq1[static_cast<std::size_t>(index)], word & 0x8000 ? -1 : 1, block.q + group * 32 + l * 8);
    }
  }
}

// 32 low bytes of indices, 32 nibbles (the index's upper 3 bits, the sign of the eighth), 4 words of four 3-bit scales and 4 bits of d
// (f16). Groups of 16.
void read_iq1_m(const std::byte* src, ScaledIntegers& block) {
  std::uint16_t d = 0;
  for (int i = 0; i < 4; ++i) {
    const auto word = load<std::uint16_t>(src + 48 + i * 2);
    d = static_cast<std::uint16_t>(d | word >> 12 << i * 4);
    for (int j = 0; j < 4; ++j) block.scale[i * 4 + j] = 2 * (word >> j * 3 & 7) + 1;
  }
  block.d = f16_to_f32(d) / 8;
  for (int l = 0; l < 32; ++l) {
    const int nibble = bits(src[32 + l / 2], l % 2 * 4, 15);
    const int index = std::to_integer<int>(src[l]) | (nibble & 7) << 8;
    write_shifted(kIq1[static_cast<std::size_t>(index)], nibble & 8 ? -1 : 1, block.q + l * 8);
  }
}

// d (f16), 8 times: four indices, and a word of four times 7 signs and a 4-bit scale. Groups of 32.
void read_iq2_xxs(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src) / 8;
  for (int group = 0; group < 8; ++group) {
    const std::byte* indices = src + 2 + group * 8;
    const auto word = load<std::uint32_t>(indices + 4);
    set_scales_of_32(block, group, 2 * static_cast<std::int32_t>(word >> 28) + 1);
    for (int l = 0; l < 4; ++l)
      write_signed(kIq2Xxs[std::to_integer<std::size_t>(indices[l])], even_signs(word >> l * 7), block.q + group * 32 + l * 8);
  }
}

// d (f16), 32 words of an index and 7 signs, 16 scale nibbles. Groups of 16.
void read_iq2_xs(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src) / 8;
  for (int group = 0; group < 16; ++group) block.scale[group] = 2 * bits(src[66 + group / 2], group % 2 * 4, 15) + 1;
  for (int l = 0; l < 32; ++l) {
    const auto word = load<std::uint16_t>(src + 2 + l * 2);
    write_signed(kIq2Xs[word & 511u], even_signs(word >> 9), block.q + l * 8);
  }
}

// d (f16), 32 low bytes of indices, 32 bytes of signs, 32 times the index's upper 2 bits, 16 scale nibbles. Groups of 16.
void read_iq2_s(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src) / 8;
  for (int group = 0; group < 16; ++group) block.scale[group] = 2 * bits(src[74 + group / 2], group % 2 * 4, 15) + 1;
  for (int l = 0; l < 32; ++l) {
    const int index = std::to_integer<int>(src[2 + l]) | bits(src[66 + l / 4], l % 4 * 2, 3) << 8;
    write_signed(kIq2S[static_cast<std::size_t>(index)], std::to_integer<std::uint8_t>(src[34 + l]), block.q + l * 8);
  }
}

// d (f16), 64 indices, 8 words of four times 7 signs and a 4-bit scale. Groups of 32.
void read_iq3_xxs(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src) / 2;
  for (int group = 0; group < 8; ++group) {
    const std::byte* indices = src + 2 + group * 8;
    const auto word = load<std::uint32_t>(src + 66 + group * 4);
    set_scales_of_32(block, group, 2 * static_cast<std::int32_t>(word >> 28) + 1);
    for (int l = 0; l < 8; ++l) {
      const auto signs = static_cast<std::uint8_t>(even_signs(word >> l / 2 * 7) >> l % 2 * 4);
      write_signed(kIq3Xxs[std::to_integer<std::size_t>(indices[l])], signs, block.q + group * 32 + l * 4);
    }
  }
}

// d (f16), 64 low bytes of indices, their ninth bits, 32 bytes of signs, 8 scale nibbles. Groups of 32.
void read_iq3_s(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src);
  for (int group = 0; group < 8; ++group) set_scales_of_32(block, group, 2 * bits(src[106 + group / 2], group % 2 * 4, 15) + 1);
  for (int l = 0; l < 64; ++l) {
    const int index = std::to_integer<int>(src[2 + l]) | bits(src[66 + l / 8], l % 8, 1) << 8;
    const auto signs = static_cast<std::uint8_t>(bits(src[74 + l / 2], l % 2 * 4, 255));
    write_signed(kIq3S[static_cast<std::size_t>(index)], signs, block.q + l * 4);
  }
}

}  // namespace mlxr::quant
