// A weight matrix, as the implementation of Ops that made it needs it: no other can read it.
#pragma once

#include <memory>

namespace mlxr::ops {

class Weight {
 public:
  virtual ~Weight() = default;

  const int n;  // rows: outputs
  const int k;  // columns: inputs

 protected:
  Weight(int rows, int columns) : n(rows), k(columns) {}
};

using WeightPtr = std::shared_ptr<const Weight>;

}  // namespace mlxr::ops
