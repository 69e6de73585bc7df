// Memory for MLX's arrays. mx::allocator::malloc() returns a null pointer where there is none, and MLX's arrays do not look at it.
#pragma once

#include <cstddef>
#include <new>

#include <mlx/allocator.h>

namespace mlxr::ops {

// Throws std::bad_alloc where there is no memory.
inline auto allocate(std::size_t bytes) {
  auto memory = mlx::core::allocator::malloc(bytes);
  if (bytes != 0 && memory.buffer().ptr() == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace mlxr::ops
