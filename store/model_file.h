// The model file that a person means by a path.
#pragma once

#include <filesystem>
#include <optional>
#include <system_error>

#include <mlxrunner/result.h>

namespace mlxr::store {

// The path without symbolic links. A shard keeps its own name, by which the others are found: in Hugging Face's cache it is a link.
std::filesystem::path without_links(const std::filesystem::path& path, std::error_code& failed);

// The absolute path of a folder that is a model as Hugging Face publishes it: with a config.json, and without a .gguf file. Nothing for
// everything else.
std::optional<std::filesystem::path> find_model_folder(const std::filesystem::path& path);

// The absolute path of the file itself, or of the one .gguf file in a folder; of a model that is split into shards, the first of them.
// Errors: kNotFound (there is nothing, no .gguf file in the folder, or a shard is missing), kInvalidArgument (a folder with several
// models), kUnsupported (a model folder, which is a model only after its import), kPermission, kIo.
Result<std::filesystem::path> find_model_file(const std::filesystem::path& path);

}  // namespace mlxr::store
