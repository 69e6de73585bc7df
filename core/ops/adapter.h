// A low-rank adapter (LoRA, Hu et al. 2021): what is added to the products of some of a model's matrices, for sequences that ask for it.
#pragma once

#include <unordered_map>
#include <utility>

#include "core/ops/weight.h"

namespace mlxr::ops {

// y += x · downᵀ · upᵀ. Both are weights without a bias; `up` contains the adapter's scale.
struct LowRank {
  WeightPtr down;  // (rank, k)
  WeightPtr up;    // (n, rank)
};

class Adapter {
 public:
  // The change of one matrix, which must outlive the adapter.
  void add(const Weight& w, LowRank change) { changes_.emplace(&w, std::move(change)); }
  // Null if the adapter leaves the matrix as it is.
  const LowRank* find(const Weight& w) const {
    const auto found = changes_.find(&w);
    return found == changes_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<const Weight*, LowRank> changes_;
};

}  // namespace mlxr::ops
