// What a model file says about itself, for lists and `mlx show`.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

#include "store/store.h"

namespace mlxr::store {

// Fills architecture, quantization, parameters, context_length and embedding_length of the record from its file, and the licence if the
// record has none.
// Errors: those of formats::Checkpoint::open.
Result<void> read_details(ModelRecord& record);

// The chat template in the file, in Jinja; empty for a base model. Errors: those of formats::Checkpoint::open.
Result<std::string> read_chat_template(const std::filesystem::path& file);

}  // namespace mlxr::store
