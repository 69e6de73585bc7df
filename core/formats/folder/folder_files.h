// The files of a model folder, and which of them hold weights.
//
// A folder comes from elsewhere, so what it names may lead anywhere. A name that its index gives is a file's name and no path. A symbolic
// link is followed to a file in the folder itself, and in Hugging Face's cache (REPOSITORY/snapshots/REVISION) to REPOSITORY/blobs, where
// the cache keeps the files; a link to anywhere else is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"
#include "platform/open_file.h"

namespace mlxr::formats {

class FolderFiles {
 public:
  // Errors: kNotFound, kPermission, kIo.
  static Result<FolderFiles> open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }
  bool has(std::string_view name) const;

  // Errors: kCorrupt (a name that is a path, a link that leads out of the folder), those of platform::OpenFile::open.
  Result<platform::OpenFile> open_file(std::string_view name) const;
  // A whole file as JSON. Nothing if the folder does not have it. Errors: the same; kCorrupt (too long, no JSON).
  Result<std::optional<Json>> read_json(std::string_view name) const;
  // A whole file as text, likewise.
  Result<std::optional<std::string>> read_text(std::string_view name) const;

  // The names of the files with weights: model.safetensors, or those that model.safetensors.index.json lists.
  // Errors: kCorrupt; kUnsupported (the folder has weights in another format, or none).
  Result<std::vector<std::string>> weight_files() const;

 private:
  explicit FolderFiles(std::filesystem::path path, std::filesystem::path real) : path_(std::move(path)), real_(std::move(real)) {}
  bool may_lead_to(const std::filesystem::path& file) const;

  std::filesystem::path path_;  // as the caller named it, for messages
  std::filesystem::path real_;  // the same without links
};

}  // namespace mlxr::formats
