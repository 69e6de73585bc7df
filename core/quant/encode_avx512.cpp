// AVX-512.
#define MLXR_ISA avx512
#define MLXR_LANES 16
#include "core/quant/encode.inl.h"
