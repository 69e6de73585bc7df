// Chooses the next token from logits, and tells how likely tokens were.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include <mlxrunner/engine.h>

#include "core/decode/top_k.h"

namespace mlxr::decode {

// The order is: penalties over the recent tokens, temperature, top-k, top-p, min-p, draw. Belongs to one request.
class Sampler {
 public:
  explicit Sampler(const Sampling& options);

  // logits (vocabulary). `history` is the prompt and what was generated, oldest first. Nothing when one cannot choose from these logits
  // (see top_k).
  std::optional<TokenId> sample(std::span<const float> logits, std::span<const TokenId> history);

 private:
  void penalise(std::vector<float>& logits, std::span<const TokenId> history) const;
  TokenId draw();

  Sampling options_;
  std::mt19937_64 random_;
  std::vector<float> penalised_;
  std::vector<Candidate> candidates_;
};

// Log-probabilities under softmax(logits): of `chosen`, and of the `n_top` most likely, most likely first. Ties: the lower id first.
struct Logprobs {
  float chosen = 0;
  std::vector<std::pair<TokenId, float>> top;
};
Logprobs logprobs(std::span<const float> logits, TokenId chosen, int n_top);

// The first problem with sampling options as a sentence that names the field, or an empty string.
std::string problem_with(const Sampling& options);

}  // namespace mlxr::decode
