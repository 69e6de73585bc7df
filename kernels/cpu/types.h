// The weight types of the pack: GGUF's numbers, and how many values and bytes a block holds.
#pragma once

#include <cstdint>

namespace mlxr::kernels {

enum class Type : uint32_t {
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
  kMXFP4 = 39,
  kNVFP4 = 40,
};

inline constexpr uint32_t kTypeNumbers = 41;  // all are smaller

struct Layout {
  int32_t block_values, block_bytes;  // 0, 0: not a type of this pack
};

constexpr Layout layout(uint32_t type) {
  switch (static_cast<Type>(type)) {
    case Type::kF32: return {1, 4};
    case Type::kF16:
    case Type::kBF16: return {1, 2};
    case Type::kQ4_0: return {32, 18};
    case Type::kQ4_1: return {32, 20};
    case Type::kQ5_0: return {32, 22};
    case Type::kQ5_1: return {32, 24};
    case Type::kQ8_0: return {32, 34};
    case Type::kQ2_K: return {256, 84};
    case Type::kQ3_K: return {256, 110};
    case Type::kQ4_K: return {256, 144};
    case Type::kQ5_K: return {256, 176};
    case Type::kQ6_K: return {256, 210};
    case Type::kIQ2_XXS: return {256, 66};
    case Type::kIQ2_XS: return {256, 74};
    case Type::kIQ3_XXS: return {256, 98};
    case Type::kIQ1_S: return {256, 50};
    case Type::kIQ4_NL: return {32, 18};
    case Type::kIQ3_S: return {256, 110};
    case Type::kIQ2_S: return {256, 82};
    case Type::kIQ4_XS: return {256, 136};
    case Type::kIQ1_M: return {256, 56};
    case Type::kMXFP4: return {32, 17};
    case Type::kNVFP4: return {64, 36};
  }
  return {0, 0};
}

constexpr bool is_float(uint32_t type) {
  return type == uint32_t(Type::kF32) || type == uint32_t(Type::kF16) || type == uint32_t(Type::kBF16);
}

constexpr int64_t row_bytes(uint32_t type, int64_t k) { return k / layout(type).block_values * layout(type).block_bytes; }

}  // namespace mlxr::kernels
