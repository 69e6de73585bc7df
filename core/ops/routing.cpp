#include "core/ops/routing.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace mlxr::ops {
namespace {

std::vector<float> probabilities(std::span<const float> scores, bool sigmoid) {
  std::vector<float> p(scores.begin(), scores.end());
  if (sigmoid) {
    for (float& value : p) value = 1 / (1 + std::exp(-value));
    return p;
  }
  const float largest = *std::ranges::max_element(p);
  for (float& value : p) value = std::exp(value - largest);
  const float sum = std::accumulate(p.begin(), p.end(), 0.0f);
  for (float& value : p) value /= sum;
  return p;
}

// The experts of the groups that a token uses. `rank` says how good an expert is.
std::vector<int> in_used_groups(int experts, const Routing& routing, const std::function<float(int)>& rank) {
  const int size = experts / routing.groups;
  std::vector<std::pair<float, int>> groups;  // how good each is, and its number
  for (int group = 0; group < routing.groups; ++group) {
    std::vector<float> ranks;
    for (int i = 0; i < size; ++i) ranks.push_back(rank(group * size + i));
    std::ranges::sort(ranks, std::ranges::greater());
    groups.emplace_back(ranks[0] + (size > 1 ? ranks[1] : 0), group);
  }
  std::ranges::stable_sort(groups, std::ranges::greater(), &std::pair<float, int>::first);
  std::vector<int> chosen;
  for (int i = 0; i < routing.groups_used; ++i)
    for (int expert = 0; expert < size; ++expert) chosen.push_back(groups[static_cast<std::size_t>(i)].second * size + expert);
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace

std::vector<Choice> route(std::span<const float> scores, std::span<const float> bias, const Routing& routing) {
  const auto p = probabilities(scores, routing.sigmoid);
  const auto rank = [&](int expert) {
    const auto i = static_cast<std::size_t>(expert);
    return bias.empty() ? p[i] : p[i] + bias[i];
  };
  auto chosen = in_used_groups(static_cast<int>(p.size()), routing, rank);
  const auto before = [&](int a, int b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; };
  std::ranges::partial_sort(chosen, chosen.begin() + routing.used, before);
  chosen.resize(static_cast<std::size_t>(routing.used));
  std::ranges::sort(chosen);
  float sum = 0;
  for (const int expert : chosen) sum += p[static_cast<std::size_t>(expert)];
  const float factor = routing.scale / (routing.normalised ? std::max(sum, kLeastSum) : 1);
  std::vector<Choice> choices;
  for (const int expert : chosen) choices.push_back({expert, p[static_cast<std::size_t>(expert)] * factor});
  return choices;
}

}  // namespace mlxr::ops
