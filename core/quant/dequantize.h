// Scalar reference decoders: the oracle that every kernel is tested against. Equal to PyPI gguf's, bit for bit.
#pragma once

#include <cstddef>

#include "core/quant/type.h"

namespace mlxr::quant {

// Decodes `n` values (a multiple of the type's block size) from packed blocks at `src`, of any alignment, into `dst`.
void dequantize_row(Type type, const std::byte* src, float* dst, std::size_t n);

}  // namespace mlxr::quant
