#include "core/kv/arena.h"

namespace mlxr::kv {

Arena::Arena(const Layout& layout, int blocks, const ops::Ops& ops) : layout_(layout), blocks_(blocks), ops_(ops) {
  for (int i = blocks - 1; i >= 0; --i) free_.push_back(i);
  make_layers();
}

void Arena::make_layers() {
  layers_.clear();
  for (int i = 0; i < layout_.layers; ++i) layers_.push_back(ops_.make_cache(layout_.shape(blocks_)));
}

bool Arena::extend(std::vector<std::int32_t>& pages, int tokens) {
  const int n = blocks_for(tokens) - static_cast<int>(pages.size());
  if (n <= 0) return true;
  if (n > free_blocks()) return false;
  pages.insert(pages.end(), free_.rbegin(), free_.rbegin() + n);
  free_.resize(free_.size() - static_cast<std::size_t>(n));
  return true;
}

std::optional<std::vector<std::int32_t>> Arena::reserve(int tokens) {
  std::vector<std::int32_t> pages;
  if (!extend(pages, tokens)) return std::nullopt;
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
