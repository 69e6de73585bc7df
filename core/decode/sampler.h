// Chooses the next token from logits.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <random>
#include <span>
#include <string>

#include <mlxrunner/engine.h>

#include "core/decode/logit_row.h"
#include "core/decode/logprobs.h"
#include "core/decode/penalties.h"
#include "core/decode/softmax.h"
#include "core/decode/top_k.h"

namespace mlxr::decode {

// Why no token can be chosen.
enum class NoChoice {
  kDamagedModel,     // the model computed NaN, plus infinity, or nothing but minus infinity; whatever the options and the mask are
  kEmptyMask,        // the mask excludes the whole vocabulary
  kNothingPossible,  // the mask allows only tokens whose logits are minus infinity
};

// Works in this order: penalties over the recent tokens, mask, temperature, top-k, top-p, min-p, draw. Belongs to one request.
//
// The choice is a function of the seed, the options, and the rows so far, to the last bit: it depends neither on the processor nor on the
// thread, nor on what is computed beside it.
class Sampler {
 public:
  explicit Sampler(const Sampling& options);

  // logits (vocabulary). `history` is the prompt and what was generated, oldest first; from call to call it may only grow.
  std::expected<TokenId, NoChoice> sample(std::span<const float> logits, std::span<const TokenId> history, TokenMask mask = {});

  // Log-probabilities from the logits of the last sample(), which must still be where they were, and sound.
  Logprobs logprobs(TokenId chosen, int n_top);

 private:
  TokenId choose(const LogitRow& row);

  Sampling options_;
  std::mt19937_64 random_;
  Penalties penalties_;
  LogitRow row_, changed_;  // the model's logits; the same with penalties and mask, where there are any
  Softmax softmax_;
  TopK top_k_;
  std::optional<double> mass_;  // of row_ at temperature 1, once it is known
};

// The first problem with the sampling options, as a sentence that names the field; empty if they are valid.
std::string problem_with(const Sampling& options);

}  // namespace mlxr::decode
