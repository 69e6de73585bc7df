// Log-probabilities of tokens under the model's own distribution, before any option is applied.
#pragma once

#include <utility>
#include <vector>

#include <mlxrunner/token.h>

#include "core/decode/logit_row.h"
#include "core/decode/top_k.h"

namespace mlxr::decode {

// Under softmax(logits): of `chosen`, and of the `n_top` most likely, most likely first. Ties: the lower id first.
struct Logprobs {
  float chosen = 0;
  std::vector<std::pair<TokenId, float>> top;
};

// `row` without changes and mask, `mass` the sum of exp(logit - largest logit) over it.
Logprobs logprobs(const LogitRow& row, double mass, TokenId chosen, int n_top, TopK& top_k);

}  // namespace mlxr::decode
