#include "core/quant/quantize.h"

#include <algorithm>
#include <cstring>

#include "core/quant/encode.h"
#include "core/quant/half.h"

namespace mlxr::quant {
namespace {

BlocksEncoder best_encoder() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return avx512::encode_blocks;
  if (__builtin_cpu_supports("avx2")) return avx2::encode_blocks;
#endif
  return baseline::encode_blocks;
}

// 16-bit floats, one after the other.
template <class Narrow>
void narrow_row(const float* src, std::byte* dst, std::size_t n, Narrow narrow) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint16_t bits = narrow(src[i]);
    std::memcpy(dst + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace

void quantize_row(Type type, const float* src, std::byte* dst, std::size_t n) {
  static const BlocksEncoder encode_blocks = best_encoder();
  switch (type) {
    case Type::kF32: std::memcpy(dst, src, n * sizeof(float)); return;
    case Type::kF16: narrow_row(src, dst, n, [](float x) { return f32_to_f16(std::clamp(x, -kMaxMagnitude, kMaxMagnitude)); }); return;
    case Type::kBF16: narrow_row(src, dst, n, [](float x) { return f32_to_bf16(std::clamp(x, -0x1.fep127f, 0x1.fep127f)); }); return;
    default: encode_blocks(type, src, dst, n / traits(type).block_size);
  }
}

}  // namespace mlxr::quant
