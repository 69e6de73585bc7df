// Another block format for weights that nothing computes with in their own.
#pragma once

#include <cstddef>

#include "core/quant/type.h"

namespace mlxr::quant {

// The type that stands in for `type`, one of those below: a type that every kernel pack has, as small as the numbers of the blocks permit.
//   Q1_0, TQ1_0, TQ2_0   Q4_0   exact
//   IQ1_S, IQ3_S         Q5_K   exact
//   IQ1_M, IQ3_XXS       Q6_K   exact
//   IQ2_XXS              Q8_0   the scale of 32 values is rounded to half precision, by at most 1/2048
//   IQ2_XS, IQ2_S        Q8_0   values are rounded, by at most 1/254 of the largest of 32
// A scale that is too small for half precision is rounded, too, and values that are too large become the largest that the type has.
Type stand_in(Type type);

// Converts `n` values (a multiple of the block size) of a type that has a stand-in from packed blocks at `src` to rows of stand_in(from) at
// `dst`, both of any alignment. Returns false, with `dst` unspecified, if a value is infinite or not a number.
bool convert_row(Type from, const std::byte* src, std::byte* dst, std::size_t n);

}  // namespace mlxr::quant
