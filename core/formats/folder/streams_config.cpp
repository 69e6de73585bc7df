#include "core/formats/folder/streams_config.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

namespace mlxr::formats {
namespace {

// How many standard deviations above the mean the share of a normal distribution ends. `share` is from 0 to below 1.
double deviations(double share) {
  if (share == 0) return -std::numeric_limits<double>::infinity();
  double low = -40, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2, below = std::erfc(-middle / std::numbers::sqrt2) / 2;
    (below < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

void read_streams(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model) {
  if (!model.type->streams) return;
  constexpr std::int64_t kMaxLayers = 4096;
  constexpr std::string_view kShares = "activation_sparsity_pattern";
  const auto layers = config.count("num_hidden_layers", kMaxLayers);
  // One number for each layer, or for all of them; and what its class does where there is none.
  std::vector<double> shares;
  std::vector<float> ends;
  if (const auto* said = config.find(kShares); said && said->number()) {
    shares.assign(static_cast<std::size_t>(layers), *said->number());
  } else if (said) {
    shares = config.numbers(kShares);
    if (std::cmp_not_equal(shares.size(), layers)) config.note(ErrorCode::kCorrupt, kShares, "not one number for each layer");
  } else {
    constexpr std::int64_t kFirst = 10;
    for (std::int64_t i = 0; i < layers; ++i) shares.push_back(layers > kFirst && i < kFirst ? 0.95 : 0);
  }
  for (const double share : shares) {
    if (!(share >= 0 && share < 1)) config.note(ErrorCode::kCorrupt, kShares, std::to_string(share) + " for some layers");
    ends.push_back(static_cast<float>(deviations(share)));
  }
  metadata.add(prefix + "activation_sparsity_scale", std::move(ends));
  config.count("vocab_size");  // rows are made up to it
  model.input_rows = config.count("vocab_size_per_layer_input");
}

}  // namespace mlxr::formats
