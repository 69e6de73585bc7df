// The most likely tokens, without sorting a whole vocabulary or computing its softmax.
#pragma once

#include <span>
#include <vector>

#include <mlxrunner/engine.h>

namespace mlxr::decode {

struct Candidate {
  TokenId id;
  float logit;
};

// The k largest logits, the largest first, of equal ones the lower id first. Tokens of logit minus infinity are never among them.
// Empty when one cannot choose from these logits: a NaN or plus infinity is among them, or all are minus infinity. Damaged weights make
// such.
void top_k(std::span<const float> logits, std::size_t k, std::vector<Candidate>& result);

}  // namespace mlxr::decode
