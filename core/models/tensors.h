// Which tensors a model has. A tensor that MLXR would not read belongs to an unknown variant of the family, whose answers would be wrong
// without it; so a file with such a tensor is refused.
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

// True for a tensor that need not be read: old converters also stored what `rope.freq_base` says as a tensor.
bool is_harmless(std::string_view name);

// Errors: kUnsupported (an unknown tensor), kCorrupt (a tensor is missing or has the wrong shape). The message names the tensor.
Result<void> check_tensors(const Config& config, std::span<const formats::Tensor> tensors);

}  // namespace mlxr::models
