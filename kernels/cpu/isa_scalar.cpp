// Portable code: the oracle of the self-check, and the variant of processors that have none of the others.
#define MLXR_SCALAR 1
#define MLXR_ISA scalar
#define MLXR_LANES 4
#include "kernels/cpu/table.inl.h"
