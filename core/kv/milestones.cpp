#include "core/kv/milestones.h"

#include <algorithm>
#include <cstdlib>

#include "core/kv/cache.h"

namespace mlxr::kv {
namespace {

// Fewer tokens than these are read in less time than a state is worth.
constexpr int kLeastBlocks = 2;

constexpr int kFirstDistance = 256, kNextDistance = 4;  // from the end: tokens, and how many times as many

}  // namespace

std::vector<Milestone> milestones(int stored, int tokens, int common_blocks) {
  std::vector<Milestone> all;
  const int unread = tokens - stored;
  for (int distance = kFirstDistance; distance <= unread / 2; distance *= kNextDistance)
    all.push_back({(tokens - distance) / kBlockTokens, Place::kOnTheWay});
  if (common_blocks - stored / kBlockTokens >= kLeastBlocks) {
    std::erase_if(all, [&](const Milestone& other) { return std::abs(other.blocks - common_blocks) < kLeastBlocks; });
    all.push_back({common_blocks, Place::kParting});
  }
  std::ranges::sort(all, {}, &Milestone::blocks);
  return all;
}

}  // namespace mlxr::kv
