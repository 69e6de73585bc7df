#include "core/models/embedder.h"

#include <algorithm>
#include <string_view>

namespace mlxr::models {
namespace {

// The rows of a matrix, 0 if the file does not have it.
int rows_of(std::span<const formats::Tensor> tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &formats::Tensor::name);
  return found == tensors.end() ? 0 : static_cast<int>(std::clamp<std::int64_t>(found->shape[0], 1, 1 << 20));
}

bool has(std::span<const formats::Tensor> tensors, std::string_view name) { return rows_of(tensors, name) > 0; }

}  // namespace

Embedder read_embedder(KeyReader& read, const Family& family, std::span<const formats::Tensor> tensors, int dim, bool two_sided) {
  constexpr int kNone = 0, kMean = 1, kFirst = 2, kLast = 3, kScores = 4;
  Embedder embedder{.pooling = two_sided ? Pooling::kMean : Pooling::kLast};
  switch (read.integer("pooling_type", kNone, kNone, kScores)) {
    case kMean: embedder.pooling = Pooling::kMean; break;
    case kFirst: embedder.pooling = Pooling::kFirst; break;
    case kLast: embedder.pooling = Pooling::kLast; break;
    case kScores:
      embedder.scores = true;
      embedder.probabilities = family.label_probabilities;
      embedder.pooling = family.scores_mean ? Pooling::kMean : two_sided ? Pooling::kFirst : Pooling::kLast;
      break;
    default: break;
  }
  int width = dim;
  const auto add = [&](std::string_view name, Dense layer) {
    layer.inputs = width;
    layer.outputs = width = std::max(1, rows_of(tensors, name));
    embedder.layers.push_back(layer);
  };
  if (embedder.scores) {
    const auto activation = family.scores_mean ? Dense::Activation::kGelu : Dense::Activation::kTanh;
    if (has(tensors, "cls.weight")) add("cls.weight", {.activation = activation, .norm = has(tensors, "cls.norm.weight")});
    add("cls.output.weight", {});
  } else {
    for (const std::string_view name : {"dense_2.weight", "dense_3.weight"})
      if (has(tensors, name)) add(name, {});
  }
  return embedder;
}

}  // namespace mlxr::models
