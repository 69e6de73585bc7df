// A part of the columns of a matrix.
#pragma once

#include <mlx/ops.h>

namespace mlxr::models {

// Piece i of the rows, which are pieces of `width` columns.  x (T, pieces · width), y (T, width)
inline mlx::core::array columns_of(const mlx::core::array& x, int i, int width) {
  return mlx::core::contiguous(mlx::core::slice(x, {0, i * width}, {x.shape(0), (i + 1) * width}));
}

}  // namespace mlxr::models
