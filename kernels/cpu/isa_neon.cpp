// Armv8.0 NEON.
#define MLXR_ISA neon
#define MLXR_LANES 4
#include "kernels/cpu/table.inl.h"
