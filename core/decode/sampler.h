// Chooses the next token from logits, and tells how likely tokens were.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <mlxrunner/engine.h>

namespace mlxr::decode {

// The order is: penalties over the recent tokens, temperature, top-k, top-p, min-p, draw. Belongs to one request.
class Sampler {
 public:
  explicit Sampler(const Sampling& options);

  // logits (vocabulary), for which are_numbers() holds. `history` is the prompt and what was generated, oldest first.
  TokenId sample(std::span<const float> logits, std::span<const TokenId> history);

 private:
  struct Candidate {
    TokenId id;
    float logit;
  };

  void penalise(std::vector<float>& logits, std::span<const TokenId> history) const;
  void keep_top_k();
  TokenId draw();

  Sampling options_;
  std::mt19937_64 random_;
  std::vector<float> penalised_;
  std::vector<Candidate> candidates_;
};

// Whether one can choose from these logits: no NaN among them, and the largest is finite. Damaged weights make others.
bool are_numbers(std::span<const float> logits);

// Log-probabilities under softmax(logits): of `chosen`, and of the `n_top` most likely, most likely first. Ties: the lower id first.
struct Logprobs {
  float chosen = 0;
  std::vector<std::pair<TokenId, float>> top;
};
Logprobs logprobs(std::span<const float> logits, TokenId chosen, int n_top);

// The first problem with sampling options as a sentence that names the field, or an empty string.
std::string problem_with(const Sampling& options);

}  // namespace mlxr::decode
