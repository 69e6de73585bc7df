// How much memory a model takes on this machine, before its weights are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <mlxrunner/engine.h>

namespace mlxr::daemon {

// A JSON object: `weights`, `cache` and `total` in bytes, the `context` in tokens that `cache` is for, `limit` (of `memory`, in bytes) and
// whether it `fits`. The numbers are those of a load, which is given up before a weight is read: only the file's description must be there.
// `context` limits the tokens; 0: what the model was trained for. Errors: those of Engine::load.
Result<std::string> memory_of(Engine& engine, const std::filesystem::path& model, int context, std::uint64_t memory);

}  // namespace mlxr::daemon
