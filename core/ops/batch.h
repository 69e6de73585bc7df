// The tokens of one step, and where their keys and values go.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace mlxr::ops {

// One sequence's new tokens: rows [first, first + count) of the batch. After the step it holds `length` tokens.
struct Sequence {
  int first = 0;
  int count = 0;
  int length = 0;
  std::vector<std::int32_t> pages;  // blocks of the arena, in order of position
};

struct Batch {
  std::vector<std::int32_t> tokens;     // (n_tokens)
  std::vector<std::int32_t> positions;  // (n_tokens)
  std::vector<std::int32_t> slots;      // (n_tokens): block * block_tokens + offset; -1: the token is not stored
  std::vector<Sequence> sequences;
  std::vector<std::int32_t> outputs;  // the rows whose logits are wanted, in ascending order

  // Adds a sequence's new tokens, which stand at the positions first, first + 1 and so on. `pages` are blocks of `block_tokens` tokens that
  // hold the sequence from position 0 to its last new token. The logits of the last `wanted` of the tokens are wanted.
  void append(std::span<const std::int32_t> new_tokens, int first, std::vector<std::int32_t> pages, int block_tokens, int wanted = 1) {
    const int count = static_cast<int>(new_tokens.size());
    for (int row = count - wanted; row < count; ++row) outputs.push_back(static_cast<std::int32_t>(tokens.size()) + row);
    sequences.push_back({static_cast<int>(tokens.size()), count, first + count, std::move(pages)});
    const auto& blocks = sequences.back().pages;
    for (int position = first; position < first + count; ++position) {
      tokens.push_back(new_tokens[static_cast<std::size_t>(position - first)]);
      positions.push_back(position);
      slots.push_back(blocks[static_cast<std::size_t>(position / block_tokens)] * block_tokens + position % block_tokens);
    }
  }
};

// Shared, because operations run after the graph was built.
using BatchPtr = std::shared_ptr<const Batch>;

}  // namespace mlxr::ops
