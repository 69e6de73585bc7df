// The model file that a person means by a path.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

namespace mlxr::store {

// The absolute path of the file itself, or of the one .gguf file in a folder.
// Errors: kNotFound (there is nothing, or no .gguf file in the folder), kInvalidArgument (a folder with several), kPermission, kIo.
Result<std::filesystem::path> find_model_file(const std::filesystem::path& path);

}  // namespace mlxr::store
