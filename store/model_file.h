// The model file that a person means by a path.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/open_files.h"

namespace mlxr::store {

// The path without symbolic links. A shard keeps its own name, by which the others are found: in Hugging Face's cache it is a link.
std::filesystem::path without_links(const std::filesystem::path& path, std::error_code& failed);

// The absolute path of a folder that is a model as Hugging Face publishes it: with a config.json, and without a .gguf file. Nothing for
// everything else.
std::optional<std::filesystem::path> find_model_folder(const std::filesystem::path& path);

// The absolute path of the file itself, of the one .gguf file in a folder, or of a model folder; of a model that is split into shards, the
// first of them. Errors: kNotFound (there is nothing, no model in the folder, or a shard is missing), kInvalidArgument (a folder with
// several models in .gguf files), kPermission, kIo.
Result<std::filesystem::path> find_model_file(const std::filesystem::path& path);

// Opens what a model is read from: the file at `path`, or files of the model folder there.
// Errors: those of formats::open_model_files.
Result<platform::OpenFiles> open_model_at(const std::filesystem::path& path);

// The SHA-256 by which a model is known, from those of its files in their order. Of one file it is the file's own; of a folder or of
// shards, that of the lines which sha256sum prints for the files, sorted by name: "HASH  NAME\n".
std::string digest_of(const platform::OpenFiles& files, const std::vector<std::string>& hashes);
// The same of several files that are not open.
struct NamedHash {
  std::string name, sha256;
};
std::string digest_of(std::vector<NamedHash> files);

}  // namespace mlxr::store
