// Encoders of blocks, for the instruction set of the includer (see lanes.inl.h).
#include "core/quant/block_layout.h"
#include "core/quant/encode.h"
#include "core/quant/encode_k.inl.h"
#include "core/quant/fit.inl.h"

namespace mlxr::quant::MLXR_ISA {

// Q4_0, Q5_0: d, values from -2^(bits-1) on.
template <int kBits>
void encode_symmetric(const float* src, std::byte* dst, int n_blocks) {
  constexpr int kOffset = 1 << (kBits - 1);
  constexpr std::size_t kBytes = 2 + 16 + (kBits == 5 ? 4 : 0);
  Stage<32> stage;
  stage.load(src, n_blocks);
  PerGroup scale;
  for (int first = 0; first < kGroups; first += kLanes) {
    scale.store(first, fit_symmetric(stage, first, -kOffset, kOffset - 1, kBits == 4 ? 8 : 6, 0.25f, [](F s) { return to_half(s); }));
  }
  std::uint8_t q[kGroups][32];
  quantize_groups(stage, -kOffset, kOffset - 1, [&](int first) { return Affine{scale.load(first), F{}}; }, q);
  for (int g = 0; g < n_blocks; ++g, dst += kBytes) {
    put_half(dst, scale.of[g]);
    write_32(q[g], kBits == 5, dst + 2);
  }
}

// Q4_1, Q5_1: d, m, values from 0 on.
template <int kBits>
void encode_affine(const float* src, std::byte* dst, int n_blocks) {
  constexpr int kMax = (1 << kBits) - 1;
  constexpr std::size_t kBytes = 4 + 16 + (kBits == 5 ? 4 : 0);
  Stage<32> stage;
  stage.load(src, n_blocks);
  PerGroup scale;
  PerGroup min;
  for (int first = 0; first < kGroups; first += kLanes) {
    const Affine fit =
        fit_affine<32, false>(stage, first, kMax, 8, 0.25f, [](Affine f) { return Affine{to_half(f.scale), to_half(f.min)}; });
    scale.store(first, fit.scale);
    min.store(first, fit.min);
  }
  std::uint8_t q[kGroups][32];
  quantize_groups(stage, 0, kMax, [&](int first) { return Affine{scale.load(first), min.load(first)}; }, q);
  for (int g = 0; g < n_blocks; ++g, dst += kBytes) {
    put_half(dst, scale.of[g]);
    put_half(dst + 2, min.of[g]);
    write_32(q[g], kBits == 5, dst + 4);
  }
}

// Q8_0: d, 32 signed bytes from -127 to 127. Steps are so fine that a search gains next to nothing: d spans the largest magnitude.
inline void encode_q8_0(const float* src, std::byte* dst) {
  constexpr int kVectors = 32 / kLanes;
  F x[kVectors];
  std::memcpy(x, src, sizeof x);
  F magnitudes{};
  for (const F& v : x) magnitudes = vmax(magnitudes, vabs(v));
  float largest = 0;
  for (int l = 0; l < kLanes; ++l) largest = magnitudes[l] > largest ? magnitudes[l] : largest;
  float d = to_half(largest / 127);
  if (d * 127.5f < largest && d < 65504.0f)
    d = f16_to_f32(static_cast<std::uint16_t>(f32_to_f16(d) + 1));  // a subnormal that was rounded far down
  put_half(dst, d);
  const F inverse = reciprocal(set1(d));
  std::int32_t q[32];
  for (int v = 0; v < kVectors; ++v) {
    const I whole = __builtin_convertvector(round_within(x[v] * inverse, -127, 127), I);
    std::memcpy(q + v * kLanes, &whole, sizeof whole);
  }
  for (int i = 0; i < 32; ++i) dst[2 + i] = static_cast<std::byte>(q[i]);
}

// Calls `encode` with at most `kAtOnce` blocks at a time.
template <int kAtOnce, class Encode>
void in_batches(const float* src, std::byte* dst, std::size_t n_blocks, const Traits& block, Encode encode) {
  for (std::size_t done = 0; done < n_blocks; done += kAtOnce) {
    const std::size_t left = n_blocks - done;
    encode(src + done * block.block_size, dst + done * block.block_bytes, static_cast<int>(left < kAtOnce ? left : kAtOnce));
  }
}

void encode_blocks(Type type, const float* src, std::byte* dst, std::size_t n_blocks) {
  const Traits& block = traits(type);
  switch (type) {
    case Type::kQ4_0: return in_batches<kGroups>(src, dst, n_blocks, block, encode_symmetric<4>);
    case Type::kQ5_0: return in_batches<kGroups>(src, dst, n_blocks, block, encode_symmetric<5>);
    case Type::kQ4_1: return in_batches<kGroups>(src, dst, n_blocks, block, encode_affine<4>);
    case Type::kQ5_1: return in_batches<kGroups>(src, dst, n_blocks, block, encode_affine<5>);
    case Type::kQ8_0: return in_batches<1>(src, dst, n_blocks, block, [](const float* x, std::byte* out, int) { encode_q8_0(x, out); });
    case Type::kQ4_K: return in_batches<2>(src, dst, n_blocks, block, encode_affine_k<4>);
    case Type::kQ5_K: return in_batches<2>(src, dst, n_blocks, block, encode_affine_k<5>);
    case Type::kQ6_K: return in_batches<1>(src, dst, n_blocks, block, [](const float* x, std::byte* out, int) { encode_q6_k(x, out); });
    default: return;  // not reached: quantize_row knows the types
  }
}

}  // namespace mlxr::quant::MLXR_ISA
