#include "core/quant/scaled_integers.h"

#include <algorithm>
#include <bit>

#include "core/quant/block_codec.h"
#include "core/quant/signs.h"

namespace mlxr::quant {
namespace {

// The 16 values of a nibble in IQ4_NL and IQ4_XS: closer together near zero.
constexpr std::int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Those of a nibble in MXFP4 and NVFP4: floats of 1 sign, 2 exponent and 1 fraction bit (E2M1), doubled. The scales are halved in return.
constexpr std::int8_t kE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

int bits(std::byte b, int shift, int mask) { return std::to_integer<int>(b) >> shift & mask; }

// Low nibbles first, then high ones.
void look_up(const std::byte* nibbles, int count, const std::int8_t (&values)[16], std::int8_t* q) {
  for (int i = 0; i < count; ++i) {
    q[i] = values[bits(nibbles[i], 0, 15)];
    q[i + count] = values[bits(nibbles[i], 4, 15)];
  }
}

void set_scales(ScaledIntegers& block, int groups, std::int32_t scale = 1) { std::fill_n(block.scale, groups, scale); }

// d (f16), 128 bits: 1 stands for 1, 0 for -1
void read_q1_0(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src);
  set_scales(block, 8);
  for (int i = 0; i < 16; ++i)
    write_signed<std::uint64_t>(0x0101010101010101u, std::to_integer<std::uint8_t>(~src[2 + i]), block.q + i * 8);
}

// 48 bytes of five values and 4 bytes of four, d (f16). A byte is a fraction of 256 whose digits of base 3 are the values: its product with
// 3^n, of which 8 bits are kept, has digit n in front. Lines of 32, 16 and 4 bytes; value n of all bytes of a line stand together.
void read_tq1_0(const std::byte* src, ScaledIntegers& block) {
  constexpr unsigned kPowers[] = {1, 3, 9, 27, 81};
  std::int8_t* q = block.q;
  const auto line = [&](const std::byte* bytes, int count, int values) {
    for (int n = 0; n < values; ++n) {
      for (int i = 0; i < count; ++i) {
        const auto shifted = static_cast<std::uint8_t>(std::to_integer<unsigned>(bytes[i]) * kPowers[n]);
        *q++ = static_cast<std::int8_t>((shifted * 3 >> 8) - 1);
      }
    }
  };
  line(src, 32, 5);
  line(src + 32, 16, 5);
  line(src + 48, 4, 4);
  block.d = load_f16(src + 52);
  set_scales(block, 16);
}

// 64 bytes of 2-bit values, d (f16): q - 1
void read_tq2_0(const std::byte* src, ScaledIntegers& block) {
  for (int line = 0; line < 8; ++line) {
    for (int i = 0; i < 32; ++i) block.q[line * 32 + i] = static_cast<std::int8_t>(bits(src[line / 4 * 32 + i], line % 4 * 2, 3) - 1);
  }
  block.d = load_f16(src + 64);
  set_scales(block, 16);
}

// Exponent (E8M0, bias 127), 16 bytes of nibbles (OCP Microscaling Formats 1.0)
void read_mxfp4(const std::byte* src, ScaledIntegers& block) {
  const auto exponent = std::to_integer<std::uint32_t>(src[0]);
  // 2^(exponent - 128); the two smallest are subnormal floats
  block.d = std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23);
  set_scales(block, 2);
  look_up(src + 1, 16, kE2M1, block.q);
}

// 4 scales (UE4M3: 4 exponent bits with bias 7, 3 fraction bits, no sign), 4 times 8 bytes of nibbles. Groups of 16.
void read_nvfp4(const std::byte* src, ScaledIntegers& block) {
  block.d = 0x1p-10f;  // half of the smallest scale
  for (int group = 0; group < 4; ++group) {
    const int exponent = bits(src[group], 3, 15);
    const int fraction = bits(src[group], 0, 7);
    const bool is_nan = src[group] == std::byte{0x7f};  // decoded as zero
    block.scale[group] = is_nan ? 0 : exponent == 0 ? fraction : (8 + fraction) << (exponent - 1);
    look_up(src + 4 + group * 8, 8, kE2M1, block.q + group * 16);
  }
}

// d (f16), 16 bytes of nibbles
void read_iq4_nl(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src);
  set_scales(block, 2);
  look_up(src + 2, 16, kNonLinear, block.q);
}

// d (f16), upper 2 bits of 8 scales, their low nibbles, 8 times 16 bytes of nibbles. Groups of 32.
void read_iq4_xs(const std::byte* src, ScaledIntegers& block) {
  block.d = load_f16(src);
  const auto upper = load<std::uint16_t>(src + 2);
  for (int group = 0; group < 8; ++group) {
    const int scale = bits(src[4 + group / 2], group % 2 * 4, 15) | (upper >> group * 2 & 3) << 4;
    set_scales_of_32(block, group, scale - 32);
    look_up(src + 8 + group * 16, 16, kNonLinear, block.q + group * 32);
  }
}

// 32 bytes of third bits, 64 bytes of 2-bit values, 12 bytes of 6-bit scales, d (f16). Groups of 16.
void read_q3_k(const std::byte* src, ScaledIntegers& block) {
  const std::byte* qs = src + 32;
  const std::byte* scales = src + 96;
  block.d = load_f16(src + 108);
  for (int group = 0; group < 16; ++group) {
    const int scale = bits(scales[group % 8], group / 8 * 4, 15) | bits(scales[8 + group % 4], group / 4 * 2, 3) << 4;
    block.scale[group] = scale - 32;
  }
  for (int line = 0; line < 8; ++line) {
    for (int i = 0; i < 32; ++i) {
      const int q = bits(qs[line / 4 * 32 + i], line % 4 * 2, 3) | bits(src[i], line, 1) << 2;
      block.q[line * 32 + i] = static_cast<std::int8_t>(q - 4);
    }
  }
}

}  // namespace

IntegersDecoder integers_decoder(Type type) {
  switch (type) {
    case Type::kQ1_0: return read_q1_0;
    case Type::kTQ1_0: return read_tq1_0;
    case Type::kTQ2_0: return read_tq2_0;
    case Type::kMXFP4: return read_mxfp4;
    case Type::kNVFP4: return read_nvfp4;
    case Type::kIQ1_S: return read_iq1_s;
    case Type::kIQ1_M: return read_iq1_m;
    case Type::kIQ2_XXS: return read_iq2_xxs;
    case Type::kIQ2_XS: return read_iq2_xs;
    case Type::kIQ2_S: return read_iq2_s;
    case Type::kIQ3_XXS: return read_iq3_xxs;
    case Type::kIQ3_S: return read_iq3_s;
    case Type::kIQ4_NL: return read_iq4_nl;
    case Type::kIQ4_XS: return read_iq4_xs;
    case Type::kQ3_K: return read_q3_k;
    default: return nullptr;
  }
}

}  // namespace mlxr::quant
