#include "core/kv/prefixes.h"

#include <algorithm>

namespace mlxr::kv {

int common_blocks(std::span<const std::int32_t> tokens, std::span<const std::int32_t> stored) {
  const auto most = std::min(tokens.empty() ? 0 : tokens.size() - 1, stored.size());
  const auto differs = std::ranges::mismatch(tokens.first(most), stored.first(most)).in1;
  return static_cast<int>(differs - tokens.begin()) / kBlockTokens;
}

std::vector<std::int32_t> Prefixes::find(std::span<const std::int32_t> tokens) {
  auto best = kept_.end();
  int most = 0;
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const int blocks = common_blocks(tokens, it->tokens);
    if (blocks > most) most = blocks, best = it;
  }
  if (best == kept_.end()) return {};
  kept_.splice(kept_.begin(), kept_, best);
  std::vector<std::int32_t> pages(best->pages.begin(), best->pages.begin() + most);
  arena_.share(pages);
  return pages;
}

void Prefixes::keep(std::vector<std::int32_t> tokens, std::vector<std::int32_t> pages) {
  const auto blocks = tokens.size() / kBlockTokens;
  arena_.release(std::span(pages).subspan(blocks));
  pages.resize(blocks);
  tokens.resize(blocks * kBlockTokens);
  if (blocks == 0) return;
  // A sequence that continues another one stands for both.
  std::erase_if(kept_, [&](const Kept& one) {
    const bool continued = one.tokens.size() <= tokens.size() && std::ranges::equal(one.tokens, std::span(tokens).first(one.tokens.size()));
    if (continued) arena_.release(one.pages);
    return continued;
  });
  kept_.push_front({std::move(tokens), std::move(pages)});
}

bool Prefixes::give_up_block() {
  if (kept_.empty()) return false;
  auto& [tokens, pages] = kept_.back();
  arena_.release(std::span(pages).last(1));
  pages.pop_back();
  tokens.resize(pages.size() * kBlockTokens);
  if (pages.empty()) kept_.pop_back();
  return true;
}

int Prefixes::reclaimable_blocks() const {
  std::vector<int> kept(static_cast<std::size_t>(arena_.blocks()));  // how many sequences keep each block
  int count = 0;
  for (const auto& one : kept_)
    for (const auto block : one.pages) count += ++kept[static_cast<std::size_t>(block)] == arena_.owners(block);
  return count;
}

void Prefixes::clear() {
  while (give_up_block()) {
  }
}

}  // namespace mlxr::kv
