#include "core/kv/prefixes.h"

#include <algorithm>
#include <array>
#include <limits>

namespace mlxr::kv {

int common_blocks(std::span<const std::int32_t> tokens, std::span<const std::int32_t> stored) {
  const auto most = std::min(tokens.empty() ? 0 : tokens.size() - 1, stored.size());
  const auto differs = std::ranges::mismatch(tokens.first(most), stored.first(most)).in1;
  return static_cast<int>(differs - tokens.begin()) / kBlockTokens;
}

Pages Prefixes::find(std::span<const std::int32_t> tokens) {
  auto best = kept_.end();
  int most = 0;
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const int blocks = cache_.usable(it->pages, common_blocks(tokens, it->tokens));
    if (blocks > most) most = blocks, best = it;
  }
  if (best == kept_.end()) return {};
  kept_.splice(kept_.begin(), kept_, best);
  return cache_.share(best->pages, most);
}

int Prefixes::most_in_common(std::span<const std::int32_t> tokens) const {
  int most = 0;
  for (const auto& one : kept_) most = std::max(most, common_blocks(tokens, one.tokens));
  return most;
}

void Prefixes::keep(std::vector<std::int32_t> tokens, Pages pages, Place place) {
  const auto blocks = tokens.size() / kBlockTokens;
  if (blocks == 0) return cache_.release(pages);
  cache_.shorten(pages, static_cast<int>(blocks));
  tokens.resize(blocks * kBlockTokens);
  std::vector<Position> beginnings;  // sequences that this one continues
  for (auto it = kept_.begin(); it != kept_.end(); ++it)
    if (it->tokens.size() <= tokens.size() && std::ranges::equal(it->tokens, std::span(tokens).first(it->tokens.size())))
      beginnings.push_back(it);
  std::ranges::sort(beginnings, std::ranges::greater(), [](Position it) { return it->blocks(); });
  std::array left = {kMilestonesOfASequence, kEndsOfASequence, std::numeric_limits<std::size_t>::max()};  // of each place
  for (const auto it : beginnings) {
    const bool same = it->tokens.size() == tokens.size();
    if (same) place = std::max(place, it->place);
    auto& of_place = left[static_cast<std::size_t>(it->place)];
    const bool stood_for = it->place == Place::kEnd && cache_.usable(pages, it->blocks()) > 0;
    if (!same && !stood_for && of_place > 0) {
      --of_place;
    } else {
      erase(it);
    }
  }
  kept_.push_front({std::move(tokens), std::move(pages), place});
}

bool Prefixes::give_up_block() {
  if (kept_.empty()) return false;
  auto& last = kept_.back();
  const int blocks = last.blocks() - 1;
  if (cache_.usable(last.pages, blocks) == 0) {
    erase(std::prev(kept_.end()));
  } else {
    cache_.shorten(last.pages, blocks);
    last.tokens.resize(static_cast<std::size_t>(blocks) * kBlockTokens);
  }
  return true;
}

void Prefixes::erase(Position kept) {
  cache_.release(kept->pages);
  kept_.erase(kept);
}

std::vector<int> Prefixes::reclaimable_blocks() const {
  std::vector<int> counts;
  for (std::size_t kind = 0; kind < cache_.kinds().size(); ++kind) {
    const auto& arena = cache_.arena(kind);
    std::vector<int> kept(static_cast<std::size_t>(arena.blocks()));  // how many sequences keep each block
    int count = 0;
    for (const auto& one : kept_)
      for (const auto block : one.pages[kind])
        if (block >= 0) count += ++kept[static_cast<std::size_t>(block)] == arena.owners(block);
    counts.push_back(count);
  }
  return counts;
}

void Prefixes::clear() {
  while (!kept_.empty()) erase(kept_.begin());
}

}  // namespace mlxr::kv
