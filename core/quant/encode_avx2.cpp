// AVX2.
#define MLXR_ISA avx2
#define MLXR_LANES 8
#include "core/quant/encode.inl.h"
