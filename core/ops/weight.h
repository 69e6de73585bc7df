// A weight matrix as an operation takes it.
#pragma once

#include <mlx/array.h>

#include <cstddef>
#include <memory>
#include <optional>

#include "core/quant/type.h"

namespace mlxr::ops {

namespace mx = mlx::core;

// Made by Ops::prepare, for the implementation that made it.
struct Weight {
  quant::Type type = quant::Type::kF32;
  int n = 0;                                // rows: outputs
  int k = 0;                                // columns: inputs
  std::shared_ptr<const std::byte> panels;  // what kernels read
  std::optional<mx::array> values;          // (n, k) decoded: what MLX expressions read
  std::optional<mx::array> bias;            // (n) float32
};

}  // namespace mlxr::ops
