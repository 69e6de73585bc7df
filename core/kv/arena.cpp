#include "core/kv/arena.h"

#include <mlx/allocator.h>

namespace mlxr::kv {
namespace {

namespace mx = mlx::core;

// Not filled: the system maps pages when they are first written, and nothing reads a slot before it was.
mx::array uninitialised(mx::Shape shape) {
  std::size_t bytes = 2;
  for (int d : shape) bytes *= static_cast<std::size_t>(d);
  return mx::array(mx::allocator::malloc(bytes), std::move(shape), mx::float16);
}

}  // namespace

Arena::Arena(const Layout& layout, int blocks) : blocks_(blocks) {
  for (int i = blocks - 1; i >= 0; --i) free_.push_back(i);
  const mx::Shape shape{blocks, layout.kv_heads, kBlockTokens, layout.head_dim};
  for (int i = 0; i < layout.layers; ++i) layers_.push_back({uninitialised(shape), uninitialised(shape)});
}

std::optional<std::vector<std::int32_t>> Arena::reserve(int tokens) {
  const int n = blocks_for(tokens);
  if (n > free_blocks()) return std::nullopt;
  std::vector<std::int32_t> pages(free_.rbegin(), free_.rbegin() + n);
  free_.resize(free_.size() - n);
  return pages;
}

void Arena::release(const std::vector<std::int32_t>& pages) { free_.insert(free_.end(), pages.rbegin(), pages.rend()); }

std::vector<mx::array> Arena::arrays() const {
  std::vector<mx::array> all;
  for (const auto& layer : layers_) {
    all.push_back(layer.k);
    all.push_back(layer.v);
  }
  return all;
}

}  // namespace mlxr::kv
