// Encoders: floats into the packed blocks of a type. They look for the scales with the least squared error, without an importance
// matrix: error is what a block's own values show, and the search is described in fit.inl.h.
//
//   quantize_row(Type::kQ4_K, weights, blocks, n);
//
// Pure functions, callable from any thread. A block's bytes depend on its values only: not on its neighbours, on how a matrix is cut into
// calls, or on the processor. Long rows are faster than short ones (16 groups are searched at once), and consecutive rows of whole blocks
// may be given as one.
#pragma once

#include <cstddef>

#include "core/quant/type.h"

namespace mlxr::quant {

// The largest magnitude that every type holds: block formats keep their scales in half precision. F32 and BF16 hold more.
inline constexpr float kMaxMagnitude = 65504.0f;

// Encodes `n` finite values (a multiple of the type's block size) into packed blocks at `dst`, of any alignment, row_bytes(type, n) of
// them. There are encoders for the floats, Q4_0 to Q8_0 and Q4_K to Q6_K. A value outside the range of a format is stored as the nearest
// value in its range, never as an infinity.
void quantize_row(Type type, const float* src, std::byte* dst, std::size_t n);

}  // namespace mlxr::quant
