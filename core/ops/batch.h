// The tokens of one step, and where their keys and values go.
//
// Layers whose caches have the same shape and the same window are of one kind (kv/cache.h): a token has one place in all of them. So a
// batch says for each kind of cache where its tokens are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/ops/adapter.h"

namespace mlxr::ops {

// The blocks of one sequence, for each kind of cache: in order of position. -1: a block that lies below the window and is not kept.
using Pages = std::vector<std::vector<std::int32_t>>;

// One sequence's new tokens: rows [first, first + count) of the batch. After the step it holds `length` tokens.
struct Sequence {
  int first = 0;
  int count = 0;
  int length = 0;
  Pages pages;
  std::shared_ptr<const Adapter> adapter;  // that its products take part in; null: none
};

struct Batch {
  std::vector<std::int32_t> tokens;              // (n_tokens)
  std::vector<std::int32_t> positions;           // (n_tokens)
  std::vector<std::int32_t> types;               // (n_tokens): which text of a pair; empty: the first
  std::vector<std::vector<std::int32_t>> slots;  // (kinds, n_tokens): block * block_tokens + offset; -1: the token is not stored
  std::vector<Sequence> sequences;
  std::vector<std::int32_t> outputs;  // the rows whose logits or embeddings are wanted, in ascending order

  // Adds a sequence's new tokens, which stand at the positions first, first + 1 and so on. `pages` are blocks of `block_tokens` tokens that
  // hold the sequence to its last new token. The logits of the last `wanted` of the tokens are wanted.
  void append(std::span<const std::int32_t> new_tokens, int first, Pages pages, int block_tokens, int wanted = 1) {
    append(new_tokens, first, std::move(pages), block_tokens, static_cast<int>(new_tokens.size()) - wanted, wanted);
  }
  // The same, where the rows of `wanted` tokens from the one at `first_wanted` on are wanted.
  void append(std::span<const std::int32_t> new_tokens, int first, Pages pages, int block_tokens, int first_wanted, int wanted) {
    const int row = static_cast<int>(tokens.size()), count = static_cast<int>(new_tokens.size());
    tokens.insert(tokens.end(), new_tokens.begin(), new_tokens.end());
    for (int i = 0; i < count; ++i) positions.push_back(first + i);
    for (int i = first_wanted; i < first_wanted + wanted; ++i) outputs.push_back(row + i);
    slots.resize(pages.size());
    for (std::size_t kind = 0; kind < pages.size(); ++kind) {
      for (int position = first; position < first + count; ++position)
        slots[kind].push_back(pages[kind][static_cast<std::size_t>(position / block_tokens)] * block_tokens + position % block_tokens);
    }
    sequences.push_back({row, count, first + count, std::move(pages), nullptr});
  }
};

}  // namespace mlxr::ops
