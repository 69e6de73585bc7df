// Every variant of the kernels, as scripts/build_metal.sh compiles them: the defines are those of their "// variant" lines. C++14, as
// Metal's language is.
#define FUNCTION rms_norm_simd
#define SIMDGROUPS 1
#include "kernels/metal/rms_norm.metal"
#undef FUNCTION
#undef SIMDGROUPS
#define FUNCTION rms_norm_group
#define SIMDGROUPS 8
#include "kernels/metal/rms_norm.metal"
