#include "core/decode/logprobs.h"

#include <algorithm>
#include <cmath>

namespace mlxr::decode {

Logprobs logprobs(const LogitRow& row, double mass, TokenId chosen, int n_top, TopK& top_k) {
  const float norm = row.most() + static_cast<float>(std::log(mass));
  Logprobs result{row.logit(chosen) - norm, {}};
  for (const auto& [logit, id] : top_k.tokens(row, static_cast<std::size_t>(std::max(n_top, 0)))) result.top.emplace_back(id, logit - norm);
  return result;
}

}  // namespace mlxr::decode
