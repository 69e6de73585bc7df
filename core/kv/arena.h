// The blocks of one kind of cache, counted: which are free, and how many owners each of the others has. Sequences take and give back whole
// blocks, so that none of them needs one contiguous piece of memory.
//
//   kv::Arena arena(n_blocks);
//   std::vector<std::int32_t> blocks = ...;
//   arena.take(3, blocks);              // false when fewer are free
//   arena.share(blocks);                // another owner, who releases them too
//   arena.release(blocks);
//
// Negative numbers among the blocks stand for none. Belongs to the scheduler's thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mlxr::kv {

class Arena {
 public:
  explicit Arena(int blocks);

  int blocks() const { return static_cast<int>(owners_.size()); }
  int free_blocks() const { return static_cast<int>(free_.size()); }

  // Appends `count` free blocks. Returns false and appends nothing when fewer are free.
  bool take(int count, std::vector<std::int32_t>& blocks);
  // Adds an owner to each block: it is free again when all of its owners have released it.
  void share(std::span<const std::int32_t> blocks);
  void release(std::span<const std::int32_t> blocks);
  int owners(std::int32_t block) const { return owners_[static_cast<std::size_t>(block)]; }

 private:
  std::vector<int> owners_;  // of each block
  std::vector<std::int32_t> free_;
};

}  // namespace mlxr::kv
