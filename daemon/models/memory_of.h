// How much memory a model takes on this machine, before its weights are read.
#pragma once

#include <filesystem>
#include <string>

#include <mlxrunner/engine.h>

namespace mlxr::daemon {

// A JSON object, in bytes: `weights`, the `active` part of them that a token reads, and `cache`, for `context` tokens; `total`, which must
// be in memory, and whether it `fits` the `limit`. Where the model is `paged`, `total` has of the weights the active part alone, and the
// others are read from disk when they are needed; `unpaged_why` says why it is not although it might be. See ModelInfo.
//
// The numbers are those of a load with these options, which have `memory` and no `admit`. It is given up before a weight is read: only the
// model's description must be there. Errors: those of Engine::load.
Result<std::string> memory_of(Engine& engine, const std::filesystem::path& model, LoadOptions options);

}  // namespace mlxr::daemon
