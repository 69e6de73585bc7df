// The contract between the engine and a Metal kernel pack: which functions there are, what each takes, and how it is launched.
//
// Buffers are float32, row-major and contiguous; the numbers are their indices. Those after the buffers are values (`constant`), uint32 or
// float32. A function that the engine of one number asks for means the same in every pack of that number.
//
//   rms_norm_simd, rms_norm_group   y = x / sqrt(mean(x²) + eps) · weight + residual, the mean over each row
//     0 x (rows, d)   1 weight (d)   2 residual (rows, d), any buffer without one   3 y (rows, d)
//     4 d   5 eps (float)   6 has_residual, 0 or 1
//     a threadgroup per row: 32 threads (simd), 256 (group)
#ifndef MLXR_KERNELS_METAL_ABI_H
#define MLXR_KERNELS_METAL_ABI_H

// Grows with every change of a meaning above.
#define MLXR_METAL_ABI 1

#endif  // MLXR_KERNELS_METAL_ABI_H
