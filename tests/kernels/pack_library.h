// Opens the kernel pack that the build made, as the engine does: by dlopen.
#pragma once

#include <dlfcn.h>

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
  for (const char* name : {"scalar", "avx2", "avx512", "neon"})
    if (const auto* pack = open_function() ? open_function()(MLXR_KERNEL_ABI, name) : nullptr) packs.push_back(pack);
  return packs;
}

}  // namespace mlxr::kernels_test
