// The activations of one operation as int8: x ≈ dx * q, per token and block of 32, symmetric, q in [-127, 127].
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// 32 values as int8: x ≈ d * q, q in [-127, 127]. A block whose d would be below `least` is zero: its inverse would overflow.
struct ByteBlock {
  float d;
  int sums[2];  // of each half of q
};
inline ByteBlock quantize_block(const float* x, float least, int8_t* q) {
  constexpr int kVectors = 32 / kLanes;
  F v[kVectors];
  F top{};
  for (int i = 0; i < kVectors; ++i) {
    v[i] = load<F>(x + i * kLanes);
    top = vmax(top, vabs(v[i]));
  }
  const float largest = max_of(top);
  const float d = largest / 127.0f;
  const float inverse = d >= least ? 127.0f / largest : 0.0f;
  I total[2] = {};
  for (int i = 0; i < kVectors; ++i) {
    typedef int8_t B __attribute__((vector_size(MLXR_LANES)));
    const I whole = __builtin_convertvector(round_even(v[i] * inverse), I);
    store(q + i * kLanes, __builtin_convertvector(whole, B));
    total[i * 2 / kVectors] += whole;
  }
  ByteBlock block{inverse == 0.0f ? 0.0f : d, {}};
  for (int i = 0; i < kLanes; ++i) {
    block.sums[0] += total[0][i];
    block.sums[1] += total[1][i];
  }
  return block;
}

struct Activations {
  int64_t n_tokens, k, n_blocks;  // k in blocks of 32
  int8_t* q;                      // (n_tokens, k)
  float* scale;                   // (n_tokens, n_blocks): dx
  float* sums;                    // (n_tokens, n_blocks): dx * the sum of a block's q
  float* half_sums;               // (n_tokens, 2 n_blocks): the same of each 16, for Q6_K

  static size_t bytes(int64_t n_tokens, int64_t k) { return size_t(n_tokens * (k + k / 32 * 4 * 4)) + 256; }

  Activations(void* memory, int64_t tokens, int64_t columns)
      : n_tokens(tokens), k(columns), n_blocks(columns / 32), q(static_cast<int8_t*>(memory)) {
    scale = reinterpret_cast<float*>(q + (n_tokens * k + 63) / 64 * 64);
    sums = scale + n_tokens * n_blocks;
    half_sums = sums + n_tokens * n_blocks;
  }

  void quantize(const float* x, int64_t token) {
    for (int64_t b = 0; b < n_blocks; ++b) {
      const int64_t at = token * n_blocks + b;
      const ByteBlock block = quantize_block(x + token * k + 32 * b, 1e-37f, q + token * k + 32 * b);
      scale[at] = block.d;
      sums[at] = block.d * float(block.sums[0] + block.sums[1]);
      half_sums[2 * at] = block.d * float(block.sums[0]);
      half_sums[2 * at + 1] = block.d * float(block.sums[1]);
    }
  }
};

}  // namespace mlxr::kernels::MLXR_ISA
