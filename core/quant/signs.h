// Private to quant/: signs that a file keeps as bits, applied to 4 or 8 values at once.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace mlxr::quant {

// Byte i is 0xff where bit i of the index is set.
inline constexpr auto kSignMasks = [] {
  std::array<std::uint64_t, 256> masks{};
  for (unsigned bits = 0; bits < masks.size(); ++bits) {
    for (unsigned i = 0; i < 8; ++i) masks[bits] |= std::uint64_t{bits >> i & 1 ? 0xffu : 0u} << 8 * i;
  }
  return masks;
}();

// Writes the bytes of `magnitudes`, all from 1 to 127, and makes value i negative where bit i of `signs` is set.
template <class Word>
void write_signed(Word magnitudes, std::uint8_t signs, std::int8_t* q) {
  const auto mask = static_cast<Word>(kSignMasks[signs]);
  const auto ones = static_cast<Word>(mask & static_cast<Word>(0x0101010101010101u));
  const auto word = static_cast<Word>((magnitudes ^ mask) + ones);  // -x is ~x + 1; no byte carries into the next, as x is not 0
  std::memcpy(q, &word, sizeof word);
}

}  // namespace mlxr::quant
