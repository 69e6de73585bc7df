#include "platform/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace mlxr::platform {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = make_table();

std::uint32_t by_table(const std::byte* p, std::size_t n, std::uint32_t crc) {
  for (; n > 0; ++p, --n) crc = crc >> 8 ^ kTable[(crc ^ std::to_integer<std::uint32_t>(*p)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const std::byte* p, std::size_t n, std::uint32_t crc) {
  std::uint64_t wide = crc;
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  return by_table(p, n, static_cast<std::uint32_t>(wide));
}
bool has_instruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__ARM_FEATURE_CRC32)
std::uint32_t by_instruction(const std::byte* p, std::size_t n, std::uint32_t crc) {
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    crc = __crc32cd(crc, word);
  }
  return by_table(p, n, crc);
}
bool has_instruction() { return true; }
#else
std::uint32_t by_instruction(const std::byte* p, std::size_t n, std::uint32_t crc) { return by_table(p, n, crc); }
bool has_instruction() { return false; }
#endif

// The product of two polynomials, as checksums have them (the highest bit is the coefficient of x^0), modulo kPolynomial.
std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum = 0;
  for (std::uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if (a & bit) sum ^= b;
    b = b >> 1 ^ (b & 1 ? kPolynomial : 0);
  }
  return sum;
}

}  // namespace

// Zeros after `first` multiply it by x^8 each; checksums of equally many bytes are added.
std::uint32_t crc32c_of_both(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  std::uint32_t square = 1u << (31 - 8);  // x^8, x^16, x^32, ...
  for (; second_bytes != 0; second_bytes >>= 1, square = product(square, square))
    if (second_bytes & 1) first = product(first, square);
  return first ^ second;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  static const bool fast = has_instruction();
  return ~(fast ? by_instruction : by_table)(bytes.data(), bytes.size(), ~before);
}

}  // namespace mlxr::platform
