// The operations that each instruction set provides.
#pragma once

#include "kernels/abi.h"

namespace mlxr::kernels {

struct Operations {
  int64_t (*panel_bytes)(uint32_t type, int64_t n, int64_t k);
  void (*make_panels)(mlxr_pool*, const mlxr_rows*, void* panels);
  int32_t (*q_gemm)(mlxr_pool*, const mlxr_gemm_args*);
  int32_t (*gated_mlp)(mlxr_pool*, const mlxr_gated_args*);
  void (*rms_norm)(mlxr_pool*, const mlxr_rms_norm_args*);
  void (*layer_norm)(mlxr_pool*, const mlxr_layer_norm_args*);
  void (*activate)(mlxr_pool*, const mlxr_activate_args*);
  void (*softcap)(mlxr_pool*, const mlxr_softcap_args*);
  void (*rotations)(mlxr_pool*, const mlxr_rotations_args*);
  void (*rope)(mlxr_pool*, const mlxr_rope_args*);
  int64_t (*key_page_bytes)(uint32_t type, int64_t block_tokens, int64_t key_dim);
  int64_t (*value_page_bytes)(uint32_t type, int64_t block_tokens, int64_t value_dim);
  void (*kv_store)(mlxr_pool*, const mlxr_kv_store_args*);
  int32_t (*attention)(mlxr_pool*, const mlxr_attention_args*);
  void (*get_rows)(mlxr_pool*, const mlxr_get_rows_args*);
  void (*convolve)(mlxr_pool*, const mlxr_convolve_args*);
  void (*scan)(mlxr_pool*, const mlxr_scan_args*);
};

namespace scalar {
extern const Operations operations;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Operations operations;
}
namespace avx512 {
extern const Operations operations;
}
namespace avx512_bf16 {
extern const Operations operations;
}
namespace amx {
extern const Operations operations;
}
#elif defined(__aarch64__)
namespace neon {
extern const Operations operations;
}
namespace neon_dotprod {
extern const Operations operations;
}
namespace neon_i8mm {
extern const Operations operations;
}
#endif

// Name of the first operation of `tested` that disagrees with the scalar variant on fixed data, or null.
const char* self_check(const Operations& tested);

}  // namespace mlxr::kernels
