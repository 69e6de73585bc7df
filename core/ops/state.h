// What a recurrent layer remembers of a sequence: the last inputs of its convolution, and a matrix for each of its heads. Both are float32,
// and lie in memory alike in every implementation of Ops.
//
// States are kept in blocks, as keys and values are, so that sequences share and keep them by the same rules: block i of a sequence's pages
// holds the state behind the last token of its tokens [i · block_tokens, (i + 1) · block_tokens) that was computed. Of the blocks that a
// sequence has left behind only those are kept (the others are -1) from which another sequence may go on.
#pragma once

#include <mlx/array.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "core/ops/batch.h"
#include "core/ops/cache.h"

namespace mlxr::ops {

struct StateShape {
  int blocks = 0, block_tokens = 0;
  int columns = 0, taps = 0;                  // of the convolution, which sees a token and the taps - 1 before it
  int heads = 0, key_dim = 0, value_dim = 0;  // of the matrices; 0 heads: the layer has none
};

struct LayerState {
  StateShape shape;
  int kind = 0;               // the batch's pages of this kind are those of this state
  mlx::core::array inputs;    // (blocks, taps - 1, columns)
  mlx::core::array matrices;  // (blocks, heads, key_dim, value_dim)
};

// What a layer remembers.
using LayerMemory = std::variant<LayerCache, LayerState>;

// Bytes of all blocks.
std::uint64_t state_bytes(const StateShape& shape);
// It takes address space only, until something is stored in it.
LayerState make_state(const StateShape& shape);

// Where a sequence's state comes from, and where it is stored on the way.
struct StatePath {
  struct Stop {
    int tokens = 0;  // behind so many of the sequence's new tokens,
    int block = 0;   // the state is stored in this block
  };
  int from = -1;  // the block of the state before the first of them; -1: there is none, for they begin the text
  std::vector<Stop> stops;
};
StatePath path_of(const Sequence& sequence, const LayerState& state);

// Copies the bytes of one block, which has been evaluated, out of a state and back.  (state_bytes of a shape with one block)
void export_state(const LayerState& state, int block, std::span<std::byte> bytes);
void import_state(LayerState& state, int block, std::span<const std::byte> bytes);

}  // namespace mlxr::ops
