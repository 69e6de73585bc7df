// Penalties on the tokens that came lately: repetition (CTRL, Keskar et al. 2019), presence and frequency.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

#include <mlxrunner/engine.h>

#include "core/decode/place.h"

namespace mlxr::decode {

// Belongs to one request.
class Penalties {
 public:
  explicit Penalties(const Sampling& options) : options_(options) {}

  // The penalised tokens with the logits that they get instead of those in `logits`: finite ones, and never for a token of minus infinity.
  // `history` is oldest first; from call to call it may only grow. The result is valid until the next call.
  std::span<const Place> changes(std::span<const float> logits, std::span<const TokenId> history);

 private:
  void count(std::span<const TokenId> history);

  Sampling options_;
  std::unordered_map<TokenId, int> counts_;  // of history[counted_from_, counted_to_)
  std::size_t counted_from_ = 0, counted_to_ = 0;
  std::vector<Place> changes_;
};

}  // namespace mlxr::decode
