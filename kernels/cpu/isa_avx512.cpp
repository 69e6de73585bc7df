// AVX-512 F, BW, DQ, VL and VNNI.
#define MLXR_ISA avx512
#define MLXR_LANES 16
#include "kernels/cpu/table.inl.h"
