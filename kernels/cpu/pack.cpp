// The exported function: picks a variant that this processor runs.
#include <cstring>

#include "kernels/abi.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/types.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace mlxr::kernels {
namespace {

int32_t supports(uint32_t type) { return layout(type).block_values != 0; }

template <const Operations& kOperations>
const char* check() {
  return self_check(kOperations);
}

template <const Operations& kOperations>
mlxr_kernel_pack table(const char* variant, const char* panels, const char* cache) {
  const Operations& o = kOperations;
  return {sizeof(mlxr_kernel_pack),
          MLXR_KERNEL_ABI,
          MLXR_PACK_VERSION,
          variant,
          pool_create,
          pool_destroy,
          pool_run,
          supports,
          panels,
          o.panel_bytes,
          o.make_panels,
          o.q_gemm,
          o.gated_mlp,
          o.rms_norm,
          o.layer_norm,
          o.activate,
          o.softcap,
          o.rotations,
          o.rope,
          cache,
          o.key_page_bytes,
          o.value_page_bytes,
          o.kv_store,
          o.attention,
          o.get_rows,
          o.convolve,
          o.scan,
          check<kOperations>};
}

// Best first; empty entries are instruction sets that this processor (or its operating system, for wide registers) does not run.
struct Variants {
  mlxr_kernel_pack packs[4] = {};

  Variants() {
    int count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();  // also asks the operating system whether it saves the wide registers
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")) {
      const bool bf16 = __builtin_cpu_supports("avx512bf16");
      if (bf16 && has_amx()) packs[count++] = table<amx::operations>("amx", "avx512bf16-1", "avx512-1");
      packs[count++] = bf16 ? table<avx512_bf16::operations>("avx512", "avx512bf16-1", "avx512-1")
                            : table<avx512::operations>("avx512", "avx512-1", "avx512-1");
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
      packs[count++] = table<avx2::operations>("avx2", "avx2-1", "avx2-1");
#elif defined(__aarch64__)
    packs[count++] = has_i8mm()      ? table<neon_i8mm::operations>("neon", "neon-1", "neon-1")
                     : has_dotprod() ? table<neon_dotprod::operations>("neon", "neon-1", "neon-1")
                                     : table<neon::operations>("neon", "neon-1", "neon-1");
#endif
    packs[count] = table<scalar::operations>("scalar", "scalar-1", "scalar-1");
  }

#if defined(__x86_64__)
  // Tiles are large, so Linux gives them only to processes that ask; all threads of this one may use them from then on.
  static bool has_amx() {
#if defined(__linux__)
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, of asm/prctl.h since Linux 5.16
    return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") && __builtin_cpu_supports("amx-bf16") &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
  }
  static bool has_f16c() {  // __builtin_cpu_supports of older compilers does not know the name
    unsigned a = 1, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c >> 29 & 1;
  }
#elif defined(__aarch64__)
#if defined(__APPLE__)
  static bool has(const char* feature) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value != 0;
  }
  static bool has_dotprod() { return has("hw.optional.arm.FEAT_DotProd"); }
  static bool has_i8mm() { return has_dotprod() && has("hw.optional.arm.FEAT_I8MM"); }
#else
  static bool has_dotprod() { return getauxval(AT_HWCAP) >> 20 & 1; }                   // HWCAP_ASIMDDP
  static bool has_i8mm() { return has_dotprod() && (getauxval(AT_HWCAP2) >> 13 & 1); }  // HWCAP2_I8MM
#endif
#endif
};

}  // namespace
}  // namespace mlxr::kernels

extern "C" __attribute__((visibility("default"))) const mlxr_kernel_pack* mlxr_kernel_pack_open(uint32_t abi, const char* variant) {
  static const mlxr::kernels::Variants variants;
  if (abi != MLXR_KERNEL_ABI || variant == nullptr) return nullptr;
  const bool any = std::strcmp(variant, "auto") == 0;
  for (const mlxr_kernel_pack& pack : variants.packs)
    if (pack.size != 0 && (any || std::strcmp(variant, pack.variant) == 0)) return &pack;
  return nullptr;
}
