// Checks whether the engine can run a model, from its description alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/models/describe.h"

namespace mlxr::models {

// Checks everything that can be known before the weights are read: what kind of file it is, architecture, features, names and shapes of
// tensors, and the tokenizer. `name` is the file's; it begins the message when the file is not a whole model.
// Errors: kUnsupported, kCorrupt (those of describe() and Tokenizer::from_metadata; a part of a split model, an adapter, a vocabulary ...).
Result<void> check_runnable(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors, const std::string& name);

// The same without the tokenizer, for a caller that makes the tokenizer anyway. Returns the description.
Result<Description> describe_runnable(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors, const std::string& name);

// Errors: kCorrupt (some tokens have no embedding).
Result<void> check_vocabulary(std::int64_t tokens, std::int64_t embeddings);

}  // namespace mlxr::models
