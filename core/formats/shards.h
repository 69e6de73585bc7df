// A GGUF model that is split into several files, which llama.cpp's llama-gguf-split calls shards:
//
//   NAME-00001-of-00003.gguf   the metadata, and some or none of the tensors
//   NAME-00002-of-00003.gguf   the next tensors
//   NAME-00003-of-00003.gguf   the last ones
//
// Each says which shard it is (split.no, from 0), of how many (split.count), and how many tensors all have together (split.tensors.count).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/open_files.h"

namespace mlxr::formats {

inline constexpr int kMaxShards = 128;  // a request to the daemon can carry the descriptors of all

// The name of a shard's file.
struct ShardName {
  std::string stem;  // "NAME"
  int number = 1;    // from 1
  int count = 1;

  // Nothing for other names, a number that is not from 1 to `count`, and for more than kMaxShards.
  static std::optional<ShardName> parse(std::string_view file_name);
  // The name of another shard of the same model.
  std::string of(int other) const;
};

// The paths of all shards, in order, of the model that a shard's path belongs to; `path` alone when its name is not a shard's. Looks at the
// name only.
std::vector<std::filesystem::path> shard_paths(const std::filesystem::path& path);

// Opens the files of the GGUF model that the file at `path` is, or is a shard of: one, or all of its shards in order.
// Reads them only where one is missing: then the file may be a whole model that is only called like a shard.
// Errors: those of OpenFile::open; kNotFound (a shard is missing, by name), and then kCorrupt (not a readable GGUF description).
Result<platform::OpenFiles> open_gguf_files(const std::filesystem::path& path);

}  // namespace mlxr::formats
