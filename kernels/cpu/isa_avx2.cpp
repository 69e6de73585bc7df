// AVX2, FMA and F16C.
#define MLXR_ISA avx2
#define MLXR_LANES 8
#include "kernels/cpu/table.inl.h"
