#include "core/decode/logit_row.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace mlxr::decode {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

// Four values in one register, on every processor that MLXR runs on.
using Four = float __attribute__((vector_size(16)));
using FourBits = std::int32_t __attribute__((vector_size(16)));

struct Look {
  float most;
  bool has_bad;  // NaN or plus infinity
};

Look look(const float* values) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr Four kMosts = {kMost, kMost, kMost, kMost}, kNone = {kImpossible, kImpossible, kImpossible, kImpossible};
  Four most[4] = {kNone, kNone, kNone, kNone};
  FourBits bad = {};
  for (std::size_t i = 0; i < LogitRow::kBlock; i += 16) {
    for (std::size_t j = 0; j < 4; ++j) {
      Four value;
      std::memcpy(&value, values + i + 4 * j, sizeof value);
      most[j] = value > most[j] ? value : most[j];
      bad |= ~(value <= kMosts);
    }
  }
  const Four left = most[0] > most[1] ? most[0] : most[1], right = most[2] > most[3] ? most[2] : most[3];
  const Four all = left > right ? left : right;
  return {std::max(std::max(all[0], all[1]), std::max(all[2], all[3])), (bad[0] | bad[1] | bad[2] | bad[3]) != 0};
}

// Makes those of 32 values impossible whose bit is not set.
void keep(std::uint32_t bits, float* values) {
  // Not shifts by i: SSE2 has no vector of them.
  static constexpr auto kBits = [] {
    std::array<std::uint32_t, 32> all;
    for (std::uint32_t i = 0; i < 32; ++i) all[i] = std::uint32_t{1} << i;
    return all;
  }();
  for (std::size_t i = 0; i < 32; ++i) values[i] = (bits & kBits[i]) != 0 ? values[i] : kImpossible;
}

}  // namespace

void LogitRow::read(std::span<const float> logits) {
  logits_ = logits;
  mask_ = {};
  changes_.clear();
  changes_of_.clear();
  masked_out_ = false;
  most_in_.resize((logits.size() + kBlock - 1) / kBlock);
  most_ = kImpossible;
  bool bad = false;
  Block room;
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    const auto [most, has_bad] = look(block(b, room));
    most_in_[b] = most;
    most_ = std::max(most_, most);
    bad |= has_bad;
  }
  sound_ = !bad && most_ > kImpossible;
}

void LogitRow::change(std::span<const Place> changes) {
  if (changes.empty()) return;
  changes_of_.assign(n_blocks(), -1);
  for (const Place& token : changes) {
    std::int32_t& first = changes_of_[static_cast<std::size_t>(token.id) / kBlock];
    changes_.push_back({token, first});
    first = static_cast<std::int32_t>(changes_.size() - 1);
  }
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    if (changes_of_[b] >= 0) look_again(b);
  }
  most_ = *std::max_element(most_in_.begin(), most_in_.end());
}

void LogitRow::mask(TokenMask mask) {
  if (mask.empty()) return;
  mask_ = mask;
  masked_out_ = true;
  for (std::size_t b = 0; b < n_blocks(); ++b) {
    std::uint32_t any = 0, all = ~any;
    for (std::size_t word = b * kWords; word < (b + 1) * kWords; ++word) {
      any |= allowed(word);
      all &= allowed(word);
    }
    masked_out_ &= any == 0;
    if (any == 0) {
      most_in_[b] = kImpossible;
    } else if (~all != 0) {
      look_again(b);
    }
  }
  most_ = *std::max_element(most_in_.begin(), most_in_.end());
}

void LogitRow::look_again(std::size_t b) {
  Block room;
  most_in_[b] = look(block(b, room)).most;
}

std::uint32_t LogitRow::allowed(std::size_t word) const {
  if (word >= mask_.size() || 32 * word >= size()) return 0;
  const std::size_t left = size() - 32 * word;  // bits beyond the vocabulary mean nothing
  return left < 32 ? mask_[word] & ((std::uint32_t{1} << left) - 1) : mask_[word];
}

bool LogitRow::is_whole(std::size_t b) const { return (b + 1) * kBlock <= logits_.size(); }

bool LogitRow::is_unmasked(std::size_t b) const {
  if (mask_.empty()) return true;
  std::uint32_t all = ~std::uint32_t{0};
  for (std::size_t word = b * kWords; word < (b + 1) * kWords; ++word) all &= allowed(word);
  return all == ~std::uint32_t{0};
}

const float* LogitRow::block(std::size_t b, Block& room) const {
  const float* values = logits_.data() + b * kBlock;
  const bool changed = !changes_of_.empty() && changes_of_[b] >= 0;
  if (is_whole(b) && !changed && is_unmasked(b)) return values;
  if (is_whole(b)) {
    std::copy_n(values, kBlock, room.begin());
  } else {
    std::fill(std::copy(values, logits_.data() + logits_.size(), room.begin()), room.end(), kImpossible);
  }
  if (changed) {
    for (std::int32_t i = changes_of_[b]; i >= 0; i = changes_[static_cast<std::size_t>(i)].next) {
      const Place& token = changes_[static_cast<std::size_t>(i)].token;
      room[static_cast<std::size_t>(token.id) % kBlock] = token.logit;
    }
  }
  if (!is_unmasked(b)) {
    for (std::size_t w = 0; w < kWords; ++w) keep(allowed(b * kWords + w), room.data() + 32 * w);
  }
  return room.data();
}

float LogitRow::logit(TokenId id) const {
  Block room;
  return block(static_cast<std::size_t>(id) / kBlock, room)[static_cast<std::size_t>(id) % kBlock];
}

TokenId LogitRow::best() const {
  const auto b = static_cast<std::size_t>(std::find(most_in_.begin(), most_in_.end(), most_) - most_in_.begin());
  Block room;
  const float* values = block(b, room);
  return static_cast<TokenId>(b * kBlock) + static_cast<TokenId>(std::find(values, values + kBlock, most_) - values);
}

}  // namespace mlxr::decode
