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

#include "core/kv/arena.h"

namespace mlxr::kv {

// How many whole blocks of `tokens` hold the same tokens as `stored`. At least one of `tokens` is left over: its logits are wanted.
int common_blocks(std::span<const std::int32_t> tokens, std::span<const std::int32_t> stored);

class Prefixes {
 public:
  // `arena` must outlive it.
  explicit Prefixes(Arena& arena) : arena_(arena) {}

  // The blocks of the longest beginning that `tokens` has in common with a kept sequence. The caller shares them and releases them later.
  std::vector<std::int32_t> find(std::span<const std::int32_t> tokens);
  // Keeps a sequence, whose tokens are all stored in `pages`. The pages become its own.
  void keep(std::vector<std::int32_t> tokens, std::vector<std::int32_t> pages);
  // Gives the last block of the least recently used sequence back, which is free then unless it has other owners. Returns false when
  // nothing is kept.
  bool give_up_block();
  // How many blocks would be free if everything was given back: those that have no other owners.
  int reclaimable_blocks() const;
  // Gives everything back.
  void clear();

 private:
  struct Kept {
    std::vector<std::int32_t> tokens, pages;  // kBlockTokens tokens for each page
  };

  Arena& arena_;
  std::list<Kept> kept_;  // the most recently used first
};

}  // namespace mlxr::kv
