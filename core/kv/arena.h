// The paged KV arena of a model: blocks of tokens that sessions take and give back, so that no session needs one contiguous piece of
// memory.
//
//   kv::Arena arena(layout, n_blocks, ops);
//   std::vector<std::int32_t> pages;
//   arena.extend(pages, tokens);        // false when too few blocks are free
//   arena.share(pages);                 // another owner, who releases them too
//   ... arena.layers()[i] is what kv_store and attention work on ...
//   arena.release(pages);
//
// A block takes address space only, until a token is stored in it. An arena belongs to the scheduler's thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ops/ops.h"

namespace mlxr::kv {

inline constexpr int kBlockTokens = 32;

struct Layout {
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;
  quant::Type type = quant::Type::kF16;  // or kQ8_0

  ops::CacheShape shape(int blocks) const { return {type, blocks, kv_heads, kBlockTokens, head_dim}; }
  // Bytes of one block in all layers together; 0 if `ops` has no cache of this type for heads of this size.
  std::uint64_t block_bytes(const ops::Ops& ops) const { return ops.cache_bytes(shape(1)) * static_cast<std::uint64_t>(layers); }
};

inline int blocks_for(int tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

class Arena {
 public:
  // `ops` must outlive the arena.
  Arena(const Layout& layout, int blocks, const ops::Ops& ops);

  int blocks() const { return static_cast<int>(owners_.size()); }
  int free_blocks() const { return static_cast<int>(free_.size()); }

  // Adds blocks to `pages` until they hold this many tokens. Returns false and adds nothing when too few are free.
  bool extend(std::vector<std::int32_t>& pages, int tokens);
  // Adds an owner to each block: it is free again when all of its owners have released it.
  void share(std::span<const std::int32_t> pages);
  void release(std::span<const std::int32_t> pages);
  int owners(std::int32_t block) const { return owners_[static_cast<std::size_t>(block)]; }

  // Makes new caches after a failure that may have destroyed the old ones. Their contents are lost; blocks keep their owners.
  void make_layers();
  // One cache for each layer, with all blocks.
  std::span<ops::LayerCache> layers() { return layers_; }
  // The arrays of every layer, for one eval at the end of a step.
  std::vector<mlx::core::array> arrays() const;

 private:
  Layout layout_;
  const ops::Ops& ops_;
  std::vector<int> owners_;  // of each block
  std::vector<std::int32_t> free_;
  std::vector<ops::LayerCache> layers_;
};

}  // namespace mlxr::kv
