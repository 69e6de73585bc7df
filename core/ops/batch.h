// The tokens of one step, and where their keys and values go.
#pragma once

#include <cstdint>
#include <memory>
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
};

// Shared, because operations run after the graph was built.
using BatchPtr = std::shared_ptr<const Batch>;

}  // namespace mlxr::ops
