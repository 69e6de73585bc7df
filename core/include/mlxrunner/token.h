// The number of a token in a model's vocabulary, and prompts of them.
#pragma once

#include <cstdint>
#include <vector>

namespace mlxr {

using TokenId = std::int32_t;

// Two texts as one prompt, and where the second begins; 0: the model does not tell them apart.
struct Pair {
  std::vector<TokenId> prompt;
  int second = 0;
};

}  // namespace mlxr
