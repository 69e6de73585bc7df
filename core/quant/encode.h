// Private to quant/: the block encoders, compiled once per instruction set. All give the same bytes: every lane computes one group, in the
// order of the source, and nothing is fused or reordered.
#pragma once

#include <cstddef>

#include "core/quant/type.h"

namespace mlxr::quant {

// Q4_0 to Q8_0 and Q4_K to Q6_K.
using BlocksEncoder = void (*)(Type type, const float* src, std::byte* dst, std::size_t n_blocks);

namespace baseline {
void encode_blocks(Type type, const float* src, std::byte* dst, std::size_t n_blocks);
}
namespace avx2 {
void encode_blocks(Type type, const float* src, std::byte* dst, std::size_t n_blocks);
}
namespace avx512 {
void encode_blocks(Type type, const float* src, std::byte* dst, std::size_t n_blocks);
}

}  // namespace mlxr::quant
