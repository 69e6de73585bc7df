#include "core/models/embedder.h"

#include <algorithm>
#include <string_view>

#include "core/models/bindings.h"

namespace mlxr::models {

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
    if (rows_of(tensors, "cls.weight") > 0) add("cls.weight", {.activation = activation, .norm = rows_of(tensors, "cls.norm.weight") > 0});
    add("cls.output.weight", {});
  } else {
    for (const std::string_view name : {"dense_2.weight", "dense_3.weight"})
      if (rows_of(tensors, name) > 0) add(name, {});
  }
  return embedder;
}

}  // namespace mlxr::models
