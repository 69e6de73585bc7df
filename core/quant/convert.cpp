#include "core/quant/convert.h"

#include <cmath>
#include <cstring>

#include "core/quant/block_layout.h"
#include "core/quant/half.h"
#include "core/quant/scaled_integers.h"

namespace mlxr::quant {

bool convert_row(Type from, const std::byte* src, std::byte* dst, std::size_t n) {
  const Traits &source = traits(from), &target = traits(kStandIn);
  const auto read = integers_decoder(from);
  ScaledIntegers block;
  for (std::size_t i = 0; i < n; i += source.block_size, src += source.block_bytes) {
    read(src, block);
    if (!std::isfinite(block.d)) return false;
    const std::uint16_t d = f32_to_f16(block.d);  // it was one in the file
    for (std::size_t first = 0; first < source.block_size; first += target.block_size, dst += target.block_bytes) {
      std::uint8_t shifted[32];
      for (std::size_t j = 0; j < target.block_size; ++j) shifted[j] = static_cast<std::uint8_t>(block.q[first + j] + 8);
      std::memcpy(dst, &d, sizeof d);
      write_32(shifted, false, dst + sizeof d);
    }
  }
  return true;
}

}  // namespace mlxr::quant
