// What the layers of a model remember: keys and values of each token, or a state of all of them. Layers that remember the same are of one
// kind, and each kind has an arena of blocks: a sequence takes blocks of each kind as it grows. Of a kind with a window it gives back those
// that it has left behind, so that a window costs a window and not the context.
//
// Of a kind with states, a block holds the state behind the last token of its block of the text. A sequence needs the last one only, and
// keeps a few more from which another sequence may go on: all others of its pages are -1.
//
//   kv::Cache cache(kinds, step_tokens, ops);
//   kv::Pages pages;
//   cache.extend(pages, stored, tokens);      // false when too few blocks are free
//   ... cache.layers()[i] is what kv_store and attention of layer i work on ...
//   cache.release(pages);
//
// A block takes address space only, until a token is stored in it. Belongs to the scheduler's thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/kv/arena.h"
#include "core/models/spec.h"
#include "core/ops/ops.h"

namespace mlxr::kv {

inline constexpr int kBlockTokens = 32;
inline constexpr int blocks_for(int tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

// A prompt is often a little shorter than what was stored of it: the end of a turn is written in another way by the next one. So the last
// tokens that a window has left behind are kept.
inline constexpr int kTokensBehindWindow = 2 * kBlockTokens;

using ops::Pages;

// Of pages whose blocks are all full, as share() and Prefixes::find() give them: how many tokens they hold.
inline int tokens_in(const Pages& pages) { return pages.empty() ? 0 : static_cast<int>(pages[0].size()) * kBlockTokens; }

// The same for states, which are larger.
inline constexpr int kTokensBehindState = kBlockTokens + 8;

struct Kind {
  std::variant<ops::CacheShape, ops::StateShape> shape;  // of each layer, with all blocks
  int window = 0;                                        // a token sees itself and the window - 1 before it; 0: all before it
  std::vector<int> layers;

  bool has_states() const { return std::holds_alternative<ops::StateShape>(shape); }
  int blocks() const {
    return std::visit([](const auto& of_kind) { return of_kind.blocks; }, shape);
  }
  void set_blocks(int count) {
    std::visit([&](auto& of_kind) { of_kind.blocks = count; }, shape);
  }
  // The first block that a token at this position sees.
  int first_seen(int position) const { return window > 0 && position >= window ? (position - window + 1) / kBlockTokens : 0; }
  // The first block that a sequence of so many tokens keeps.
  int first_kept(int tokens) const { return first_seen(std::max(0, tokens - (has_states() ? kTokensBehindState : kTokensBehindWindow))); }
  // The most blocks that one text of so many tokens needs at a time, where a step computes at most `step_tokens` of them.
  int blocks_of_text(int tokens, int step_tokens) const;
  // Bytes of one block in all layers of the kind together; 0 if `ops` has no cache of this type or for heads of this size.
  std::uint64_t block_bytes(const ops::Ops& ops) const;
};

// The kinds of a model's layers, with keys and values of this type, and this many blocks each.
std::vector<Kind> kinds_of(const models::ModelSpec& spec, quant::Type type = quant::Type::kF16, int blocks = 0);

class Cache {
 public:
  // A step computes at most `step_tokens` of a sequence. `ops` must outlive the cache.
  Cache(std::vector<Kind> kinds, int step_tokens, const ops::Ops& ops);

  const std::vector<Kind>& kinds() const { return kinds_; }
  const Arena& arena(std::size_t kind) const { return arenas_[kind]; }
  bool has_windows() const;
  // A step that has failed cannot be computed once more where there are states: it may have changed some of them.
  bool has_states() const;

  // For a sequence of which the first `stored` tokens are stored: takes the blocks for all of its tokens, in kinds with a window or with
  // states only for those of the next step, and gives back blocks that are left behind. Returns false and takes nothing when too few are
  // free.
  bool extend(Pages& pages, int stored, int tokens);
  // How many blocks of each kind extend() takes.
  std::vector<int> missing(const Pages& pages, int stored, int tokens) const;
  // Gives all blocks back.
  void release(Pages& pages);

  // `blocks`, if a sequence can go on after the first so many blocks of these pages; 0 if what its windows would see is no longer there.
  int usable(const Pages& pages, int blocks) const;
  // The first blocks of the pages, which have one more owner now.
  Pages share(const Pages& pages, int blocks);
  // The same, but of kinds with a window or with states only what a sequence sees that goes on at the end.
  Pages share_end(const Pages& pages, int blocks);
  // Gives back those after the first `blocks`.
  void shorten(Pages& pages, int blocks);

  // Makes new caches after a failure that may have destroyed the old ones. Their contents are lost; blocks keep their owners.
  void make_layers();
  // The cache of each layer, with all blocks.
  std::span<ops::LayerMemory> layers() { return layers_; }
  // The arrays of every layer, for one eval at the end of a step.
  std::vector<mlx::core::array> arrays() const;

  // Name of the layout of a block's bytes in this cache. They may be imported into a cache whose layout has the same name.
  std::string layout() const;
  // The bytes of a block of a kind in all its layers. They must have been computed.
  std::vector<std::byte> export_block(std::size_t kind, std::int32_t block) const;
  // Errors: kInvalidArgument (not as many bytes as a block has).
  Result<void> import_block(std::size_t kind, std::int32_t block, std::span<const std::byte> bytes);

 private:
  void leave_behind(Pages& pages, int position);
  // The blocks of a kind that extend() takes: places in the pages.
  std::vector<int> wanted(std::size_t kind, const Pages& pages, int stored, int tokens) const;

  const std::vector<Kind> kinds_;
  const int step_tokens_;
  const ops::Ops& ops_;
  std::vector<Arena> arenas_;  // of each kind
  std::vector<ops::LayerMemory> layers_;
};

}  // namespace mlxr::kv
