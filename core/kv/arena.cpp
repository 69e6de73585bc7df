#include "core/kv/arena.h"

namespace mlxr::kv {

Arena::Arena(int blocks) : owners_(static_cast<std::size_t>(blocks)) {
  for (int i = blocks - 1; i >= 0; --i) free_.push_back(i);
}

bool Arena::take(int count, std::vector<std::int32_t>& blocks) {
  if (count > free_blocks()) return false;
  blocks.insert(blocks.end(), free_.rbegin(), free_.rbegin() + count);
  share(std::span(blocks).last(static_cast<std::size_t>(count)));
  free_.resize(free_.size() - static_cast<std::size_t>(count));
  return true;
}

void Arena::share(std::span<const std::int32_t> blocks) {
  for (const auto block : blocks)
    if (block >= 0) ++owners_[static_cast<std::size_t>(block)];
}

void Arena::release(std::span<const std::int32_t> blocks) {
  for (auto it = blocks.rbegin(); it != blocks.rend(); ++it)
    if (*it >= 0 && --owners_[static_cast<std::size_t>(*it)] == 0) free_.push_back(*it);
}

}  // namespace mlxr::kv
