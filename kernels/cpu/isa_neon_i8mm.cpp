// NEON with the dot product and matrix instructions of Armv8.6.
#define MLXR_ISA neon_i8mm
#define MLXR_LANES 4
#include "kernels/cpu/table.inl.h"
