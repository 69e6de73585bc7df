// Opens the kernel pack that the build made, as the engine does: by dlopen.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/abi.h"

namespace mlxr::kernels_test {

using Open = const mlxr_kernel_pack* (*)(uint32_t, const char*);

// The exported function, or null (with the loader's words on stderr). The library stays loaded.
inline Open open_function() {
  static const Open open = [] {
    void* library = dlopen(MLXR_TEST_PACK, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) fprintf(stderr, "%s\n", dlerror());
    return library ? reinterpret_cast<Open>(dlsym(library, "mlxr_kernel_pack_open")) : nullptr;
  }();
  return open;
}

// Every variant that this machine runs, "scalar" among them.
inline std::vector<const mlxr_kernel_pack*> available() {
  std::vector<const mlxr_kernel_pack*> packs;
  for (const char* name : {"scalar", "avx2", "avx512", "amx", "neon"})
    if (const auto* pack = open_function() ? open_function()(MLXR_KERNEL_ABI, name) : nullptr) packs.push_back(pack);
  return packs;
}

// A matrix as a pack wants it. Owns the panels.
class Panels {
 public:
  Panels(const mlxr_kernel_pack& pack, mlxr_pool* pool, const mlxr_rows& rows)
      : rows_(rows), memory_(std::aligned_alloc(64, size_t(pack.panel_bytes(rows.type, rows.n, rows.k))), std::free) {
    pack.make_panels(pool, &rows, memory_.get());
  }
  mlxr_matrix matrix() const { return {rows_.type, rows_.n, rows_.k, memory_.get()}; }

 private:
  mlxr_rows rows_;
  std::unique_ptr<void, decltype(&std::free)> memory_;
};

// A cache of its own for each variant, NaN where nothing was stored.
class Cache {
 public:
  Cache(const mlxr_kernel_pack& pack, uint32_t type, int64_t blocks, int64_t heads, int64_t block_tokens, int64_t dim)
      : bytes_(size_t(blocks * heads * pack.page_bytes(type, block_tokens, dim))),
        memory_(2 * bytes_, 0x7e),
        kv_{type, memory_.data(), memory_.data() + bytes_, blocks, heads, block_tokens, dim} {}
  const mlxr_kv& kv() const { return kv_; }
  // Makes a block NaN again, in every head.
  void spoil(int64_t block) {
    const size_t page = bytes_ / size_t(kv_.n_blocks * kv_.n_kv_heads);
    for (int64_t row = 0; row < 2 * kv_.n_kv_heads; ++row) std::memset(&memory_[size_t(row * kv_.n_blocks + block) * page], 0x7e, page);
  }

 private:
  size_t bytes_;
  std::vector<uint8_t> memory_;
  mlxr_kv kv_;
};

}  // namespace mlxr::kernels_test
