// Another block format for weights that nothing computes with in their own.
#pragma once

#include <cstddef>

#include "core/quant/type.h"

namespace mlxr::quant {

// What Q1_0, TQ1_0 and TQ2_0 become: a type that every kernel pack has, and as small as their numbers, -1 to 1, permit.
inline constexpr Type kStandIn = Type::kQ4_0;

// Converts `n` values (a multiple of the block size) of one of those three from packed blocks at `src` to rows of kStandIn at `dst`, both
// of any alignment. Exact. Returns false, with `dst` unspecified, if a value is infinite or not a number.
bool convert_row(Type from, const std::byte* src, std::byte* dst, std::size_t n);

}  // namespace mlxr::quant
