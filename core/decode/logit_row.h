// One row of logits, and what a single pass over it tells: whether a choice can be made, and the largest logit of every block, which lets
// whatever comes later skip nearly all of the vocabulary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/decode/place.h"

namespace mlxr::decode {

// The tokens that may be chosen: bit i % 32 of word i / 32 is set where token i may be. Tokens without a bit may not. An empty mask allows
// every token.
using TokenMask = std::span<const std::uint32_t>;

// The values are never copied: changes and the mask lie over them. Belongs to one thread at a time.
class LogitRow {
 public:
  static constexpr std::size_t kBlock = 128;
  using Block = std::array<float, kBlock>;

  // logits (vocabulary), at least one, and the mask must stay where they are for as long as this row is used. Forgets the changes and the
  // mask of the row before.
  void read(std::span<const float> logits);
  // Gives tokens other logits. No id twice, none outside the vocabulary; the logits are finite. May be called once per read().
  void change(std::span<const Place> changes);
  // Makes every token that the mask excludes impossible. May be called once per read(), after change().
  void mask(TokenMask mask);

  // Whether the logits are those of an intact model: none is NaN or plus infinity, and one at least is finite.
  bool is_sound() const { return sound_; }
  // Whether a token is left that can be chosen, after changes and mask; and whether the mask excludes the whole vocabulary.
  bool is_possible() const { return most_ > kEnd.logit; }
  bool is_masked_out() const { return masked_out_; }
  std::size_t size() const { return logits_.size(); }
  std::size_t n_blocks() const { return most_in_.size(); }
  // The largest logit: of all, and of a block's. Minus infinity where no token is possible.
  float most() const { return most_; }
  float most_in(std::size_t block) const { return most_in_[block]; }
  const std::vector<float>& block_maxima() const { return most_in_; }

  // The kBlock values of a block, with changes and mask, padded with minus infinity: in the row itself, or put into `room`.
  const float* block(std::size_t block, Block& room) const;
  float logit(TokenId id) const;
  // The token that comes first in the order. There must be a possible one.
  TokenId best() const;

 private:
  static constexpr std::size_t kWords = kBlock / 32;  // of a mask, for a block

  struct Change {
    Place token;
    std::int32_t next;  // index of another change in this block, or -1
  };

  bool is_whole(std::size_t block) const;
  bool is_unmasked(std::size_t block) const;
  std::uint32_t allowed(std::size_t word) const;
  void look_again(std::size_t block);

  std::span<const float> logits_;
  TokenMask mask_;
  std::vector<float> most_in_;
  std::vector<Change> changes_;
  std::vector<std::int32_t> changes_of_;  // by block: index of its first change, or -1; empty when there are no changes
  float most_ = 0;
  bool sound_ = false, masked_out_ = false;
};

}  // namespace mlxr::decode
