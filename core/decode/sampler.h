// Chooses the next token from logits, and computes log-probabilities.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include <mlxrunner/engine.h>

#include "core/decode/top_k.h"

namespace mlxr::decode {

// Works in this order: penalties over the recent tokens, temperature, top-k, top-p, min-p, draw. Belongs to one request.
class Sampler {
 public:
  explicit Sampler(const Sampling& options);

  // logits (vocabulary). `history` is the prompt and what was generated, oldest first; from call to call it may only grow. Returns nothing
  // when the model's logits are no basis for a choice (see top_k), whatever the options are.
  std::optional<TokenId> sample(std::span<const float> logits, std::span<const TokenId> history);

 private:
  void count(std::span<const TokenId> history);
  void penalise(std::span<const float> logits);
  std::optional<TokenId> draw_from_all(std::span<const float> logits);
  TokenId draw_from_candidates(double mass_of_all);
  double weight(float logit, float most) const;  // exp((logit - most) / temperature)

  Sampling options_;
  std::mt19937_64 random_;
  std::unordered_map<TokenId, int> counts_;  // of history[counted_from_, counted_to_)
  std::size_t counted_from_ = 0, counted_to_ = 0;
  std::vector<float> penalised_;
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

// Log-probabilities under softmax(logits): of `chosen`, and of the `n_top` most likely, most likely first. Ties: the lower id first.
struct Logprobs {
  float chosen = 0;
  std::vector<std::pair<TokenId, float>> top;
};
Logprobs logprobs(std::span<const float> logits, TokenId chosen, int n_top);

// The first problem with the sampling options, as a sentence that names the field; empty if they are valid.
std::string problem_with(const Sampling& options);

}  // namespace mlxr::decode
