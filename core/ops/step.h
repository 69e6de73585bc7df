// One pass of a model over a batch. Ops::begin makes of the batch, once, what the operations of all layers need: rotations, page tables,
// masks.
#pragma once

#include <utility>
#include <vector>

#include "core/ops/batch.h"

namespace mlxr::ops {

// A rotary position embedding (Su et al. 2021): pair i of a head is rotated by position · frequencies[i].
struct Rope {
  std::vector<float> frequencies;  // (pairs) radians per position; 2 · pairs may be less than the head's width: the rest is left as it is
  bool interleaved = false;        // pair i is (2i, 2i + 1), else (i, i + pairs)
  float magnitude = 1;             // of the rotated values
  // The magnitude grows with the position: times 1 + growth · ln(1 + floor(position / growth_tokens)) (Llama 4 model card, 2025).
  float growth = 0;
  int growth_tokens = 1;

  float magnitude_at(int position) const;
  bool operator==(const Rope&) const = default;
};

// What the steps of a model have in common.
struct StepShape {
  std::vector<Rope> ropes;
  std::vector<int> windows;  // of each kind of cache: a position sees itself and the window - 1 before it; 0: all before it
  bool two_sided = false;    // and as many after it, of those that its sequence holds
  int block_tokens = 0;      // of every cache
};

// Each implementation has a step of its own, which only it can read.
class Step {
 public:
  explicit Step(Batch of_tokens) : batch(std::move(of_tokens)) {}
  virtual ~Step() = default;

  // Rows of a product's input that an adapter changes.
  struct Change {
    int first = 0, count = 0;
    const LowRank* by = nullptr;
  };
  // Those of an input with `rows` rows: all tokens, or the rows of outputs.
  std::vector<Change> changes(const Weight& w, int rows) const;

  const Batch batch;
};

}  // namespace mlxr::ops
