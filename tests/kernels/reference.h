// Plain decoders and products in double, written from the format's description alone, value by value: the reference for every variant.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "core/quant/iq_grids.inc.h"

namespace mlxr::kernels_test {

struct TypeInfo {
  const char* name;
  uint32_t number;
  int block_values, block_bytes;
  std::vector<int> half_fields;  // offsets of float16 fields in a block
};

inline const std::vector<TypeInfo>& types() {
  static const std::vector<TypeInfo> all = {
      {"F32", 0, 1, 4, {}},          {"F16", 1, 1, 2, {0}},          {"Q4_0", 2, 32, 18, {0}},       {"Q4_1", 3, 32, 20, {0, 2}},
      {"Q5_0", 6, 32, 22, {0}},      {"Q5_1", 7, 32, 24, {0, 2}},    {"Q8_0", 8, 32, 34, {0}},       {"Q2_K", 10, 256, 84, {80, 82}},
      {"Q3_K", 11, 256, 110, {108}}, {"Q4_K", 12, 256, 144, {0, 2}}, {"Q5_K", 13, 256, 176, {0, 2}}, {"Q6_K", 14, 256, 210, {208}},
      {"IQ4_NL", 20, 32, 18, {0}},   {"IQ4_XS", 23, 256, 136, {0}},  {"BF16", 30, 1, 2, {}},         {"MXFP4", 39, 32, 17, {}},
      {"NVFP4", 40, 64, 36, {}},     {"IQ1_S", 19, 256, 50, {0}},    {"IQ1_M", 29, 256, 56, {}},     {"IQ2_XXS", 16, 256, 66, {0}},
      {"IQ2_XS", 17, 256, 74, {0}},  {"IQ2_S", 22, 256, 82, {0}},    {"IQ3_XXS", 18, 256, 98, {0}},  {"IQ3_S", 21, 256, 110, {0}},
  };
  return all;
}

inline double half_value(uint16_t h) {
  const int exponent = h >> 10 & 31, mantissa = h & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return h >> 15 ? -magnitude : magnitude;
}
// Of a number that float16 holds exactly or nearly (truncates).
inline uint16_t half_bits(double x) {
  if (x == 0) return 0;
  int exponent;
  const double m = std::frexp(std::fabs(x), &exponent);                                           // in [0.5, 1)
  if (exponent < -13) return uint16_t((x < 0 ? 0x8000 : 0) | int(std::ldexp(std::fabs(x), 24)));  // denormal
  return uint16_t((x < 0 ? 0x8000 : 0) | (exponent + 14) << 10 | (int(m * 2048) & 1023));
}
inline uint16_t u16(const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); }

// The values of IQ4's codes.
inline constexpr int kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// A float of 1 sign, 2 exponent and 1 fraction bit (E2M1).
inline double e2m1(int code) {
  const int exponent = code >> 1 & 3;
  const double magnitude = exponent == 0 ? code % 2 * 0.5 : std::ldexp(1 + code % 2 * 0.5, exponent - 1);
  return code >= 8 ? -magnitude : magnitude;
}

inline uint32_t u32(const uint8_t* p) { return u16(p) | uint32_t(u16(p + 2)) << 16; }

// Value v of a block of IQ1 to IQ3, in its scale's unit: value v % 8 (IQ3: v % 4) of a point of a grid, with a sign.
inline double grid_value(const TypeInfo& type, const uint8_t* p, int v) {
  static constexpr double kIq2[] = {8, 25, 43}, kIq3Xxs[] = {4, 12, 20, 28, 36, 44, 52, 62};
  const int g = v / 32, l = v / 8, i = v % 8;
  const auto digit = [](int point, int at, int bits) { return point >> at * bits & ((1 << bits) - 1); };
  // Bit `at` of 7 signs, of which the eighth makes the number of ones even.
  const auto is_odd = [](uint32_t bits, int at) {
    int ones = 0;
    for (int b = 0; b < 7; ++b) ones += bits >> b & 1;
    return at < 7 ? bits >> at & 1 : uint32_t(ones % 2);
  };
  const auto with_sign = [](double magnitude, uint32_t negative) { return negative ? -magnitude : magnitude; };
  switch (type.number) {
    case 16: {
      const uint8_t* group = p + 2 + 8 * g;
      const double scale = 0.5 + (group[7] >> 4);
      return scale / 4 * with_sign(kIq2[digit(quant::kIq2XxsGrid[group[l % 4]], i, 2)], is_odd(u32(group + 4) >> 7 * (l % 4), i));
    }
    case 17: {
      const int word = u16(p + 2 + 2 * l);
      const double scale = 0.5 + (p[66 + g] >> v / 16 % 2 * 4) % 16;
      return scale / 4 * with_sign(kIq2[digit(quant::kIq2XsGrid[word % 512], i, 2)], is_odd(uint32_t(word / 512), i));
    }
    case 22: {
      const int point = p[2 + l] + 256 * (p[66 + g] >> l % 4 * 2 & 3);
      const double scale = 0.5 + (p[74 + g] >> v / 16 % 2 * 4) % 16;
      return scale / 4 * with_sign(kIq2[digit(quant::kIq2SGrid[point], i, 2)], p[34 + l] >> i & 1);
    }
    case 18: {
      const uint32_t word = u32(p + 66 + 4 * g);
      const double scale = 0.5 + (word >> 28);
      return scale / 2 * with_sign(kIq3Xxs[digit(quant::kIq3XxsGrid[p[2 + v / 4]], v % 4, 4)], is_odd(word >> 7 * (l % 4), i));
    }
    case 21: {
      const int point = p[2 + v / 4] + 256 * (p[66 + g] >> v / 4 % 8 & 1);
      const double scale = 1 + 2 * ((p[106 + g / 2] >> g % 2 * 4) % 16);
      return scale * with_sign(1 + 2 * digit(quant::kIq3SGrid[point], v % 4, 4), p[74 + l] >> i & 1);
    }
    case 19: {
      const int word = u16(p + 34 + 2 * g), point = p[2 + l] + 256 * (word >> l % 4 * 3 & 7);
      const double scale = 1 + 2 * (word >> 12 & 7), shift = word & 0x8000 ? -0.125 : 0.125;
      return scale * (digit(quant::kIq1Grid[point], i, 2) - 1 + shift);
    }
    default: {
      const int nibble = (p[32 + l / 2] >> l % 2 * 4) % 16, point = p[l] + 256 * (nibble % 8);
      const double scale = 1 + 2 * (u16(p + 48 + v / 64 * 2) >> v / 16 % 4 * 3 & 7), shift = nibble / 8 ? -0.125 : 0.125;
      return scale * (digit(quant::kIq1Grid[point], i, 2) - 1 + shift);
    }
  }
}

// Value i of a row.
inline double weight(const TypeInfo& type, const uint8_t* row, int64_t i) {
  const uint8_t* p = row + i / type.block_values * type.block_bytes;
  const int v = int(i % type.block_values);
  const auto nibble = [&](const uint8_t* q) { return v < 16 ? q[v] & 15 : q[v - 16] >> 4; };
  const auto bit = [&](const uint8_t* q) { return q[v / 8] >> v % 8 & 1; };
  switch (type.number) {
    case 0: {
      float f;
      std::memcpy(&f, p, 4);
      return f;
    }
    case 1: return half_value(u16(p));
    case 30: {
      const uint32_t bits = uint32_t(u16(p)) << 16;
      float f;
      std::memcpy(&f, &bits, 4);
      return f;
    }
    case 2: return half_value(u16(p)) * (nibble(p + 2) - 8);
    case 3: return half_value(u16(p)) * nibble(p + 4) + half_value(u16(p + 2));
    case 6: return half_value(u16(p)) * (nibble(p + 6) + 16 * bit(p + 2) - 16);
    case 7: return half_value(u16(p)) * (nibble(p + 8) + 16 * bit(p + 4)) + half_value(u16(p + 2));
    case 8: return half_value(u16(p)) * int8_t(p[2 + v]);
    case 10: {
      const int scale = p[v / 16];
      const int q = p[16 + v / 128 * 32 + v % 32] >> v % 128 / 32 * 2 & 3;
      return half_value(u16(p + 80)) * (scale % 16) * q - half_value(u16(p + 82)) * (scale / 16);
    }
    case 11: {
      const int g = v / 16, low = p[32 + v / 128 * 32 + v % 32] >> v % 128 / 32 * 2 & 3, high = p[v % 32] >> v / 32 & 1;
      const int scale = (p[96 + g % 8] >> g / 8 * 4) % 16 + 16 * (p[104 + g % 4] >> g / 4 * 2 & 3) - 32;
      return half_value(u16(p + 108)) * scale * (low + 4 * high - 4);
    }
    case 20: return half_value(u16(p)) * kNonLinear[nibble(p + 2)];
    case 23: {
      const int g = v / 32, l = v % 32;
      const uint8_t byte = p[8 + 16 * g + l % 16];
      const int scale = (p[4 + g / 2] >> g % 2 * 4) % 16 + 16 * (u16(p + 2) >> 2 * g & 3) - 32;
      return half_value(u16(p)) * scale * kNonLinear[l < 16 ? byte % 16 : byte / 16];
    }
    case 16:
    case 17:
    case 18:
    case 19:
    case 21:
    case 22: return half_value(u16(p)) * grid_value(type, p, v);
    case 29: {
      const int d = p[49] / 16 + p[51] / 16 * 16 + p[53] / 16 * 256 + p[55] / 16 * 4096;
      return half_value(uint16_t(d)) * grid_value(type, p, v);
    }
    case 39: return std::ldexp(e2m1(nibble(p + 1)), p[0] - 127);
    case 40: {
      const uint8_t scale = p[v / 16], byte = p[4 + v / 16 * 8 + v % 8];
      const int exponent = scale >> 3 & 15, fraction = scale & 7;
      if (scale == 0x7f) return 0;
      return (exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10)) *
             e2m1(v % 16 < 8 ? byte % 16 : byte / 16);
    }
    case 12:
    case 13: {
      const uint8_t* s = p + 4;
      const int g = v / 32, l = v % 32;
      const int scale = g < 4 ? s[g] % 64 : s[g + 4] % 16 + s[g - 4] / 64 * 16;
      const int min = g < 4 ? s[g + 4] % 64 : s[g + 4] / 16 + s[g] / 64 * 16;
      const uint8_t byte = p[(type.number == 12 ? 16 : 48) + g / 2 * 32 + l];
      int q = g % 2 ? byte / 16 : byte % 16;
      if (type.number == 13) q += 16 * (p[16 + l] >> g & 1);
      return half_value(u16(p)) * scale * q - half_value(u16(p + 2)) * min;
    }
    default: {
      const int h = v / 128, g = v % 128 / 32, l = v % 32;
      const uint8_t low = p[64 * h + 32 * (g % 2) + l];
      const int q = (g < 2 ? low % 16 : low / 16) + 16 * (p[128 + 32 * h + l] >> 2 * g & 3) - 32;
      return half_value(u16(p + 208)) * int8_t(p[192 + v / 16]) * q;
    }
  }
}

// The contents of the quant bytes of a random matrix.
enum class Fill { kRandom, kOnes, kZeros, kMinimum };  // any byte; 0xff; 0; 0x80

// Whether a byte of a block belongs to its scales, other than float16 (of IQ1_M it does); and the byte that makes a scale 1 there, where
// all have it (of Q4_K and Q5_K some scales and minima become 16).
inline bool is_scale(const TypeInfo& type, int at) {
  switch (type.number) {
    case 10: return at < 16;
    case 11: return at >= 96 && at < 108;
    case 12:
    case 13: return at >= 4 && at < 16;
    case 14: return at >= 192 && at < 208;
    case 17: return at >= 66;
    case 21: return at >= 106;
    case 22: return at >= 74;
    case 29: return at >= 48;
    case 23: return at >= 2 && at < 8;
    case 39: return at < 1;
    case 40: return at < 4;
    default: return false;
  }
}
inline uint8_t scale_of_one(const TypeInfo& type, int at) {
  switch (type.number) {
    case 10: return 0x11;
    case 11: return at < 104 ? 0x11 : 0xaa;  // 33: that is 32 too much
    case 17:
    case 21:
    case 22: return 0;
    case 29: return at == 53 ? 0xc0 : at == 55 ? 0x30 : 0;  // nibbles of a float16 of 1
    case 23: return at < 4 ? 0xaa : 0x11;
    case 39: return 128;   // 2, as the values have halves
    case 40: return 0x40;  // 2
    default: return 1;
  }
}

// n packed rows whose float16 fields are `unit` times a random number (kRandom) or `unit` itself. The exponents of MXFP4 are those of 2
// down to 2^-14, or that of 2.
inline std::vector<uint8_t> packed_rows(const TypeInfo& type, int64_t n, int64_t k, Fill fill, double unit, std::mt19937& random) {
  std::vector<uint8_t> bytes(size_t(n * (k / type.block_values) * type.block_bytes));
  std::uniform_real_distribution<double> real(-1, 1);
  for (uint8_t& b : bytes) b = fill == Fill::kRandom ? uint8_t(random()) : fill == Fill::kOnes ? 0xff : fill == Fill::kZeros ? 0 : 0x80;
  for (size_t at = 0; at < bytes.size(); at += size_t(type.block_bytes)) {
    if (type.number == 0) {
      const float f = float(unit * real(random));
      std::memcpy(&bytes[at], &f, 4);
    } else if (type.number == 30) {
      const float f = float(unit * real(random));
      std::memcpy(&bytes[at], reinterpret_cast<const uint8_t*>(&f) + 2, 2);
    }
    if (type.number == 39) bytes[at] = uint8_t(128 - (fill == Fill::kRandom ? random() % 16 : 0));
    if (type.number == 29) {
      const uint16_t bits = half_bits(fill == Fill::kRandom ? unit * real(random) : unit);
      for (size_t i = 0; i < 4; ++i) bytes[at + 49 + 2 * i] = uint8_t(bytes[at + 49 + 2 * i] % 16 | (bits >> 4 * i & 15) << 4);
    }
    for (int field : type.half_fields) {
      const uint16_t bits = half_bits(fill == Fill::kRandom ? unit * real(random) : unit);
      bytes[at + size_t(field)] = uint8_t(bits);
      bytes[at + size_t(field) + 1] = uint8_t(bits >> 8);
    }
  }
  return bytes;
}

// A vector of x as the pack quantizes it: blocks of 32, nearest integer of x * 127 / max|x|.
inline std::vector<double> as_int8(const float* x, int64_t k) {
  std::vector<double> y(size_t(k), 0.0);
  for (int64_t b = 0; b < k; b += 32) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[b + i]));
    const float d = largest / 127.0f, inverse = 127.0f / largest;
    if (d < 1e-37f) {  // the pack takes these as zero; the caller's bound has to allow for it
      for (int i = 0; i < 32; ++i) y[size_t(b + i)] = x[b + i];
      continue;
    }
    for (int i = 0; i < 32; ++i) y[size_t(b + i)] = double(d) * std::nearbyint(x[b + i] * inverse);
  }
  return y;
}

// The same rounded to bfloat16: 8 bits, ties to even.
inline std::vector<double> as_bfloat16(const float* x, int64_t k) {
  std::vector<double> y;
  for (int64_t i = 0; i < k; ++i) {
    int exponent;
    const double m = std::frexp(double(x[i]), &exponent);
    y.push_back(std::ldexp(std::nearbyint(m * 256), exponent - 8));
  }
  return y;
}

inline std::vector<float> reals(size_t n, std::mt19937& random, float scale = 1) {
  std::uniform_real_distribution<float> real(-scale, scale);
  std::vector<float> v(n);
  for (float& x : v) x = real(random);
  return v;
}

}  // namespace mlxr::kernels_test
