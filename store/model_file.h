// The model file that a person means by a path.
#pragma once

#include <filesystem>
#include <optional>

#include <mlxrunner/result.h>

namespace mlxr::store {

// The absolute path of a folder that is a model as Hugging Face publishes it: with a config.json, and without a .gguf file. Nothing for
// everything else.
std::optional<std::filesystem::path> find_model_folder(const std::filesystem::path& path);

// The absolute path of the file itself, or of the one .gguf file in a folder.
// Errors: kNotFound (there is nothing, or no .gguf file in the folder), kInvalidArgument (a folder with several), kUnsupported (a model
// folder, which is a model only after its import), kPermission, kIo.
Result<std::filesystem::path> find_model_file(const std::filesystem::path& path);

}  // namespace mlxr::store
