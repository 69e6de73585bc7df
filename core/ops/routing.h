// A mixture of experts (Shazeer et al. 2017): which experts a token takes, and how much of each.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <mlx/array.h>

#include "core/ops/weight.h"

namespace mlxr::ops {

struct Routing {
  int used = 0;             // experts of a token: those with the highest probabilities
  bool sigmoid = false;     // probabilities are sigmoid(score); else softmax(scores)
  bool normalised = false;  // the weights of the experts of a token are divided by their sum
  float scale = 1;          // of the weights
  // Experts are in so many groups of equal size, of which a token uses these: the ones with the highest sum of their two best experts.
  int groups = 1, groups_used = 1;
  bool operator==(const Routing&) const = default;
};

struct ExpertWeights {
  std::vector<WeightPtr> gate, up, down;  // of each expert; without gates it is down(act(up(x)))
  // (experts): added to the probabilities where experts are chosen, but not to their weights (DeepSeek-V3 report, 2024). None: nothing is.
  std::optional<mlx::core::array> bias;
  std::optional<mlx::core::array> scales;         // (experts): what an expert gives is multiplied by its own; none: it is not
  WeightPtr shared_gate, shared_up, shared_down;  // of one more expert, which every token takes; null: there is none
  std::optional<mlx::core::array> shared_router;  // (k): its weight is sigmoid(x · router); none: it is 1
};

// The least sum by which weights are divided: all of them may be 0 in float32 (DeepSeek-V3's own code, 2024).
inline constexpr float kLeastSum = 1e-20f;

struct Choice {
  int expert = 0;
  float weight = 0;
};
// The experts of one token, in ascending order. Of equal ones, the first is chosen. `bias` may be empty.
std::vector<Choice> route(std::span<const float> scores, std::span<const float> bias, const Routing& routing);

}  // namespace mlxr::ops
