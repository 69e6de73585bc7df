// Keys and values that outlive their session, for prompts that begin as a former one did: the next turn of a chat, or another question
// with the same instructions. Such a prompt shares the blocks and computes the rest only.
//
// What is kept takes no room from sessions: its blocks are given up one by one, the least recently used sequence first, when they are
// needed. Belongs to the scheduler's thread.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "core/kv/cache.h"
#include "core/kv/milestones.h"

namespace mlxr::kv {

// Of the sequences that one sequence continues, so many are kept beside it. Ends are kept if it cannot stand for them, because its windows
// have left them behind: two, so that the last answer can be asked for again and the last question changed. It will leave behind places on
// its way, of which a few are kept, and partings, which are all kept, because other sequences go on there.
inline constexpr std::size_t kEndsOfASequence = 2, kMilestonesOfASequence = 4;

// How many whole blocks of `tokens` hold the same tokens as `stored`. At least one of `tokens` is left over: its logits are wanted.
int common_blocks(std::span<const std::int32_t> tokens, std::span<const std::int32_t> stored);

class Prefixes {
 public:
  // `cache` must outlive it.
  explicit Prefixes(Cache& cache) : cache_(cache) {}

  // The blocks of the longest beginning that `tokens` has in common with a kept sequence. The caller shares them and releases them later.
  // Empty if there is none.
  Pages find(std::span<const std::int32_t> tokens);
  // The most blocks that `tokens` has in common with a kept sequence, whether it could go on there or not.
  int most_in_common(std::span<const std::int32_t> tokens) const;
  // Keeps a sequence, whose tokens are all stored in `pages`. The pages become its own.
  void keep(std::vector<std::int32_t> tokens, Pages pages, Place place = Place::kEnd);
  // Gives the last block of the least recently used sequence back, which is free then unless it has other owners. Returns false when
  // nothing is kept.
  bool give_up_block();
  // How many blocks of each kind would be free if everything was given back: those that have no other owners.
  std::vector<int> reclaimable_blocks() const;
  // Gives everything back.
  void clear();

 private:
  struct Kept {
    std::vector<std::int32_t> tokens;  // kBlockTokens for each block
    Pages pages;
    Place place;

    int blocks() const { return static_cast<int>(tokens.size()) / kBlockTokens; }
  };
  using Position = std::list<Kept>::iterator;

  void erase(Position kept);

  Cache& cache_;
  std::list<Kept> kept_;  // the most recently used first
};

}  // namespace mlxr::kv
