// Private to quant/: blocks whose values are whole numbers times a scale. From this form a block is decoded to floats, and converted
// without loss to a type that has room for the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/quant/type.h"

namespace mlxr::quant {

// Value i of a block is d * scale[i / 16] * q[i], exactly as float. The arrays are filled as far as the block reaches.
struct ScaledIntegers {
  float d;
  std::int32_t scale[16];
  std::int8_t q[256];

  float step(std::size_t group) const { return d * static_cast<float>(scale[group]); }
  float value(std::size_t i) const { return step(i / 16) * static_cast<float>(q[i]); }
};

// Gives both halves of a group of 32 values their scale.
inline void set_scales_of_32(ScaledIntegers& block, int group, std::int32_t scale) {
  block.scale[2 * group] = block.scale[2 * group + 1] = scale;
}

using IntegersDecoder = void (*)(const std::byte* src, ScaledIntegers& block);

// Reads one block of a type. Null for a type whose blocks do not have this form.
IntegersDecoder integers_decoder(Type type);

// Those of IQ1 to IQ3, whose values are taken from grids, 4 or 8 at a time.
void read_iq1_s(const std::byte* src, ScaledIntegers& block);
void read_iq1_m(const std::byte* src, ScaledIntegers& block);
void read_iq2_xxs(const std::byte* src, ScaledIntegers& block);
void read_iq2_xs(const std::byte* src, ScaledIntegers& block);
void read_iq2_s(const std::byte* src, ScaledIntegers& block);
void read_iq3_xxs(const std::byte* src, ScaledIntegers& block);
void read_iq3_s(const std::byte* src, ScaledIntegers& block);

}  // namespace mlxr::quant
