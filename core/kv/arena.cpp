#include "core/kv/arena.h"

namespace mlxr::kv {

Arena::Arena(const Layout& layout, int blocks, const ops::Ops& ops)
    : layout_(layout), ops_(ops), owners_(static_cast<std::size_t>(blocks)) {
  for (int i = blocks - 1; i >= 0; --i) free_.push_back(i);
  make_layers();
}

void Arena::make_layers() {
  layers_.clear();
  for (int i = 0; i < layout_.layers; ++i) layers_.push_back(ops_.make_cache(layout_.shape(blocks())));
}

bool Arena::extend(std::vector<std::int32_t>& pages, int tokens) {
  const int n = blocks_for(tokens) - static_cast<int>(pages.size());
  if (n <= 0) return true;
  if (n > free_blocks()) return false;
  pages.insert(pages.end(), free_.rbegin(), free_.rbegin() + n);
  share(std::span(pages).last(static_cast<std::size_t>(n)));
  free_.resize(free_.size() - static_cast<std::size_t>(n));
  return true;
}

void Arena::share(std::span<const std::int32_t> pages) {
  for (const auto block : pages) ++owners_[static_cast<std::size_t>(block)];
}

void Arena::release(std::span<const std::int32_t> pages) {
  for (auto it = pages.rbegin(); it != pages.rend(); ++it)
    if (--owners_[static_cast<std::size_t>(*it)] == 0) free_.push_back(*it);
}

std::vector<mlx::core::array> Arena::arrays() const {
  std::vector<mlx::core::array> all;
  for (const auto& layer : layers_) {
    all.push_back(layer.k);
    all.push_back(layer.v);
  }
  return all;
}

}  // namespace mlxr::kv
