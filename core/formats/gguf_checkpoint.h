// A GGUF model that is open for reading: one file, or the shards of one (shards.h).
#pragma once

#include <memory>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "platform/open_files.h"

namespace mlxr::formats {

// `files` are all files of the model, in order; at least one. Errors: those of Checkpoint::open.
Result<std::shared_ptr<const Checkpoint>> open_gguf(platform::OpenFiles files);

}  // namespace mlxr::formats
