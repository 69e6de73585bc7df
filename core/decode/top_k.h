// The most likely tokens, without sorting a whole vocabulary or computing its softmax.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <mlxrunner/token.h>

namespace mlxr::decode {

struct Candidate {
  TokenId id;
  float logit;
};

// The k largest logits, the largest first, of equal ones the lower id first. Tokens of logit minus infinity are never among them.
// The result is empty when these logits are no basis for a choice: one of them is NaN or plus infinity, or all are minus infinity. A
// model whose weights are damaged computes such logits.
void top_k(std::span<const float> logits, std::size_t k, std::vector<Candidate>& result);

}  // namespace mlxr::decode
