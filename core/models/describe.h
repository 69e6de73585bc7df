// Reads what a GGUF file says of its model.
#pragma once

#include <span>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/models/bindings.h"
#include "core/models/spec.h"

namespace mlxr::models {

struct Description {
  ModelSpec spec;
  Bindings bindings;
};

// Reads and checks the description. A model with a key that could change its results and is not understood is refused. Of the tensors, only
// the sizes of few that no key says are looked at.
// Errors: kUnsupported (architecture, feature or key, by name), kCorrupt (a key is missing or makes no sense).
Result<ModelSpec> read_spec(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors);

// The same, and which tensors the model has. Errors: those of read_spec() and check_tensors().
Result<Description> describe(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors);

}  // namespace mlxr::models
