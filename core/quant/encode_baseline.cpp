// The instructions that every processor of this architecture has.
#define MLXR_ISA baseline
#define MLXR_LANES 4
#include "core/quant/encode.inl.h"
