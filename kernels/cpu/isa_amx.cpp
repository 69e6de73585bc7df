// AVX-512 as in isa_avx512_bf16.cpp, and AMX for int8 and bfloat16.
#define MLXR_ISA amx
#define MLXR_LANES 16
#include "kernels/cpu/table.inl.h"
