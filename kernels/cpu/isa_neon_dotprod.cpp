// NEON with the dot product instructions of Armv8.2.
#define MLXR_ISA neon_dotprod
#define MLXR_LANES 4
#include "kernels/cpu/table.inl.h"
