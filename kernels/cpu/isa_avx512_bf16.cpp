// AVX-512 F, BW, DQ, VL, VNNI and BF16.
#define MLXR_ISA avx512_bf16
#define MLXR_LANES 16
#include "kernels/cpu/table.inl.h"
