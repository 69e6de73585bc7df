// The two pieces that every BPE encoder here is made of: a table of merges, and the loop that applies them in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/text/keyed_hash.h"
#include "core/text/tokenizer.h"

namespace mlxr::text {

// One step of an encoding: a token and its neighbours in a list threaded through an array.
struct BpeSymbol {
  TokenId id;
  std::int32_t previous;
  std::int32_t next;
  std::uint32_t begin;   // bytes into the text
  std::uint32_t length;  // bytes; 0 once it was merged into its left neighbour
};

// A possible merge of a symbol with its right neighbour. Lower (order, left) goes first.
struct BpeCandidate {
  std::uint64_t order;
  std::int32_t left;
  std::uint32_t length;  // of the merged text: tells a stale candidate, because symbols only grow
  TokenId merged;

  bool operator<(const BpeCandidate& other) const {  // for a max-heap
    return order != other.order ? order > other.order : left > other.left;
  }
};

// Merges neighbours until none can be. `candidate(left, right)` returns the merge of two neighbours, with merged < 0 when there is none.
// O(n log n) in the number of symbols, whatever they are.
template <typename Candidate>
void merge_all(std::vector<BpeSymbol>& symbols, std::vector<BpeCandidate>& heap, Candidate candidate) {
  heap.clear();
  const auto consider = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return false;
    const BpeSymbol& a = symbols[static_cast<std::size_t>(left)];
    const BpeSymbol& b = symbols[static_cast<std::size_t>(right)];
    BpeCandidate found = candidate(a, b);
    if (found.merged < 0) return false;
    found.left = left;
    found.length = a.length + b.length;
    heap.push_back(found);
    return true;
  };

  for (std::size_t i = 1; i < symbols.size(); ++i) consider(static_cast<std::int32_t>(i) - 1, static_cast<std::int32_t>(i));
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const BpeCandidate best = heap.back();
    heap.pop_back();

    BpeSymbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.length == 0 || left.next < 0) continue;
    BpeSymbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (left.length + right.length != best.length) continue;

    left.id = best.merged;
    left.length = best.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.left;
    const std::int32_t before = left.previous, after = left.next;
    if (consider(before, best.left)) std::push_heap(heap.begin(), heap.end());
    if (consider(best.left, after)) std::push_heap(heap.begin(), heap.end());
  }
}

// (left id, right id) -> (rank, merged id). Flat, linear probing, at most half full.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    TokenId merged;  // -1: the pair does not merge
  };

  explicit MergeTable(std::size_t count);
  // The first insertion of a pair stays.
  void insert(TokenId left, TokenId right, Merge merge);
  Merge find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    std::uint64_t key = 0;
    Merge merge{0, -1};
  };
  std::size_t home(std::uint64_t key) const { return static_cast<std::size_t>(hash_step(hash_key_, key) >> shift_); }

  std::vector<Slot> slots_;
  unsigned shift_;
  std::uint64_t hash_key_ = hash_key();
};

}  // namespace mlxr::text
