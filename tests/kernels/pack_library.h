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
  Cache(const mlxr_kernel_pack& pack, uint32_t type, int64_t blocks, int64_t heads, int64_t block_tokens, int64_t key_dim,
        int64_t value_dim)
      : key_page_(size_t(pack.key_page_bytes(type, block_tokens, key_dim))),
        value_page_(size_t(pack.value_page_bytes(type, block_tokens, value_dim))),
        keys_(size_t(blocks * heads) * key_page_, 0x7e),
        values_(size_t(blocks * heads) * value_page_, 0x7e),
        kv_{type, keys_.data(), values_.data(), blocks, heads, block_tokens, key_dim, value_dim} {}
  Cache(Cache&&) = default;  // no copies: kv_ points into the memory
  const mlxr_kv& kv() const { return kv_; }
  size_t bytes() const { return keys_.size() + values_.size(); }

  // The bytes of a block: its page of each head, in keys and in values.
  std::vector<uint8_t> block(int64_t block) {
    std::vector<uint8_t> bytes;
    each_page(block, [&](uint8_t* page, size_t size) { bytes.insert(bytes.end(), page, page + size); });
    return bytes;
  }
  void put_block(int64_t block, const std::vector<uint8_t>& bytes) {
    const uint8_t* from = bytes.data();
    each_page(block, [&](uint8_t* page, size_t size) { std::memcpy(page, from, size), from += size; });
  }
  // Makes a block NaN again.
  void spoil(int64_t block) {
    each_page(block, [](uint8_t* page, size_t size) { std::memset(page, 0x7e, size); });
  }

 private:
  template <class Use>
  void each_page(int64_t block, Use use) {
    for (int64_t head = 0; head < kv_.n_kv_heads; ++head) {
      const auto page = size_t(head * kv_.n_blocks + block);
      use(keys_.data() + page * key_page_, key_page_);
      use(values_.data() + page * value_page_, value_page_);
    }
  }

  size_t key_page_, value_page_;
  std::vector<uint8_t> keys_, values_;
  mlxr_kv kv_;
};

}  // namespace mlxr::kernels_test
