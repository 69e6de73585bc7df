// What a model file says about itself, for lists and `mlx show`.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

#include "store/store.h"

namespace mlxr::store {

// Fills architecture, quantization, parameters, context_length and embedding_length of the record from its file.
// Errors: those of formats::Checkpoint::open.
Result<void> read_details(ModelRecord& record);

}  // namespace mlxr::store
