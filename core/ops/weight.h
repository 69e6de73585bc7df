// A weight matrix as an operation takes it.
#pragma once

#include <mlx/array.h>

#include <optional>

#include "core/quant/type.h"

namespace mlxr::ops {

namespace mx = mlx::core;

// Made by Ops::prepare, for the implementation that made it.
struct Weight {
  quant::Type type;
  int n = 0;                      // rows: outputs
  int k = 0;                      // columns: inputs
  mx::array values;               // packed rows as in the file, (n, row_bytes) uint8; or decoded, (n, k) float
  std::optional<mx::array> bias;  // (n) float32
};

}  // namespace mlxr::ops
