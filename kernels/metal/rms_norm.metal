// y = x / sqrt(mean(x²) + eps) · weight + residual, the mean over each row (Zhang and Sennrich 2019).
//
// A threadgroup per row. Each thread adds up the squares of every (number of threads)th value, and its simdgroup those of its 32 threads; where
// there are several simdgroups, each leaves its sum in `sums` for all of them.
//
// variant simd  SIMDGROUPS=1  short rows, such as a head's: nothing waits
// variant group SIMDGROUPS=8  long rows
#include <metal_stdlib>
using namespace metal;

kernel void FUNCTION(const device float* x [[buffer(0)]],         // (rows, d)
                     const device float* weight [[buffer(1)]],    // (d)
                     const device float* residual [[buffer(2)]],  // (rows, d), read if has_residual
                     device float* y [[buffer(3)]],               // (rows, d)
                     constant uint& d [[buffer(4)]],
                     constant float& eps [[buffer(5)]],
                     constant uint& has_residual [[buffer(6)]],
                     uint row [[threadgroup_position_in_grid]],
                     uint thread_index [[thread_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]],
                     uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  constexpr uint threads = 32 * SIMDGROUPS;
  const size_t first = size_t(row) * d;
  float squares = 0;
  for (uint i = thread_index; i < d; i += threads) squares += x[first + i] * x[first + i];
  squares = simd_sum(squares);
#if SIMDGROUPS > 1
  threadgroup float sums[SIMDGROUPS];
  if (lane == 0) sums[simdgroup] = squares;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  squares = simd_sum(lane < SIMDGROUPS ? sums[lane] : 0.0f);
#endif
  const float scale = precise::rsqrt(squares / d + eps);
  for (uint i = thread_index; i < d; i += threads)
    y[first + i] = x[first + i] * scale * weight[i] + (has_residual ? residual[first + i] : 0.0f);
}
