// The files of a model folder, and which of them hold weights.
//
// A folder comes from elsewhere, so what it names may lead anywhere. A name that its index gives is a file's name and no path. A symbolic
// link is followed to a file in the folder itself, and in Hugging Face's cache (REPOSITORY/snapshots/REVISION) to REPOSITORY/blobs, where
// the cache keeps the files; a link to anywhere else is refused.
//
// All files that a model is read from are opened at the beginning: another process can read the folder by their descriptors alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"
#include "platform/open_files.h"

namespace mlxr::formats {

// Of sentence-transformers: the modules of a model, how its rows are pooled, and the layers behind that. Those but the first lie in folders
// of their own, whose names they have here: path_within() has their paths.
inline constexpr std::string_view kModulesFile = "modules.json", kPoolingFile = "1_Pooling";
struct DenseFiles {
  std::string_view config, weights;
  std::string_view module;  // the same layer among the weights of the transformer, where mlx-embeddings puts it
};
inline constexpr DenseFiles kDenseFiles[] = {{"2_Dense", "2_Dense.safetensors", "dense.0"}, {"3_Dense", "3_Dense.safetensors", "dense.1"}};

class FolderFiles {
 public:
  // The most files that a folder may have: those of one model can be sent with one message over a socket.
  static constexpr std::size_t kMost = 250;

  // Opens those of a folder's files that MLXR reads.
  // Errors: kNotFound, kPermission, kIo; kUnsupported (not a model, weights in another format, or none); kCorrupt (a name that is a path, a
  // link that leads out of the folder, an index that cannot be read, too many files); those of platform::OpenFile::open.
  static Result<FolderFiles> open(const std::filesystem::path& folder);
  // Files that are open.
  explicit FolderFiles(platform::OpenFiles files) : files_(std::move(files)) {}

  const std::filesystem::path& path() const { return files_.name(); }
  // Where a file with this name lies within a folder.
  static std::filesystem::path path_within(std::string_view name);
  platform::OpenFiles take() && { return std::move(files_); }

  // A second descriptor of one file. Errors: kCorrupt (the folder does not have it), those of platform::OpenFile::duplicate.
  Result<platform::OpenFile> open_file(std::string_view name) const;
  // A whole file as JSON. Nothing if the folder does not have it. Errors: kIo; kCorrupt (too long, no JSON); kInternal (a name that is not
  // among those that open() looks for).
  Result<std::optional<Json>> read_json(std::string_view name) const;
  // A whole file as text, likewise.
  Result<std::optional<std::string>> read_text(std::string_view name) const;

  // The names of the files with weights: model.safetensors, or those that model.safetensors.index.json lists; where these are not there,
  // the only whole set of model-NNNNN-of-NNNNN.safetensors. Errors: kCorrupt; kUnsupported (the folder has weights in another format, or
  // none).
  Result<std::vector<std::string>> weight_files() const;

 private:
  Result<std::vector<std::string>> indexed_files() const;  // those that the index lists, there or not

  platform::OpenFiles files_;
};

}  // namespace mlxr::formats
