// Which tensors a model has. A tensor that nobody reads belongs to a variant of the family that MLXR does not know, and would be left out
// without a word; so a file with one is refused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/models/config.h"

namespace mlxr::models {

struct TensorRole {
  std::string name;
  std::vector<std::int64_t> shape;
  bool required = true;
};

// Every tensor that Transformer::load reads, or could read, for this description.
std::vector<TensorRole> tensors_of(const Config& config);

// A tensor that nobody needs to read: old converters wrote down what `rope.freq_base` says as well.
bool is_harmless(std::string_view name);

// Errors: kUnsupported (a tensor that is not known, by name), kCorrupt (one is missing or has another shape, by name).
Result<void> check_tensors(const Config& config, std::span<const formats::Tensor> tensors);

}  // namespace mlxr::models
