// The element types of weights: plain floats, and block formats that pack 32 to 256 values with their scales.
// Numbers and names are those of GGUF (ggml_type), so that a file's type field can be read directly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mlxr::quant {

enum class Type : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
};

struct Traits {
  std::string_view name;    // "Q4_K"
  std::size_t block_size;   // values in a block; a row is a whole number of blocks
  std::size_t block_bytes;  // bytes of a block
};

// Traits of a type that MLXR can decode.
const Traits& traits(Type type);

// Name of any GGUF type number, decodable or not ("Q8_1"), or "99" for a number that GGUF does not define.
std::string name_of_number(std::uint32_t number);

// The type with this GGUF number, if MLXR can decode it.
std::optional<Type> from_number(std::uint32_t number);

// Bytes of a row of `n` values. n must be a multiple of block_size.
std::size_t row_bytes(Type type, std::size_t n);

}  // namespace mlxr::quant
