#include "core/kv/arena.h"

namespace mlxr::kv {

Arena::Arena(const Layout& layout, int blocks, const ops::Ops& ops) : blocks_(blocks) {
  for (int i = blocks - 1; i >= 0; --i) free_.push_back(i);
  for (int i = 0; i < layout.layers; ++i) layers_.push_back(ops.make_cache(layout.shape(blocks)));
}

std::optional<std::vector<std::int32_t>> Arena::reserve(int tokens) {
  const int n = blocks_for(tokens);
  if (n > free_blocks()) return std::nullopt;
  std::vector<std::int32_t> pages(free_.rbegin(), free_.rbegin() + n);
  free_.resize(free_.size() - n);
  return pages;
}

void Arena::release(const std::vector<std::int32_t>& pages) { free_.insert(free_.end(), pages.rbegin(), pages.rend()); }

std::vector<mlx::core::array> Arena::arrays() const {
  std::vector<mlx::core::array> all;
  for (const auto& layer : layers_) {
    all.push_back(layer.k);
    all.push_back(layer.v);
  }
  return all;
}

}  // namespace mlxr::kv
