// The open files of one model: a file, or files of a folder, which belong together and keep their names.
//
// What OpenFile is to a file, OpenFiles is to a folder: code that hashes a model and then loads it passes the same OpenFiles on, so that
// both read the same files, whatever the folder holds by then.
//
//   platform::OpenFiles one = platform::OpenFile::open("model.gguf").value();
//   const platform::OpenFiles folder("model", std::move(files));     // model/config.json, model/model.safetensors, ...
//   folder.find("config.json")->read(0, bytes);
//
// May be used from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/open_file.h"

namespace mlxr::platform {

class OpenFiles {
 public:
  // A file by itself, whose name is its own.
  OpenFiles(OpenFile file);  // NOLINT(google-explicit-constructor): what takes a model takes a file
  // Files that make up `name` together. The last component of each file's name tells which one it is.
  OpenFiles(std::filesystem::path name, std::vector<OpenFile> files) : name_(std::move(name)), files_(std::move(files)) {}
  void add(std::vector<OpenFile> files);
  // Second descriptors of the same open files, with what is known of them now. Errors: those of OpenFile::duplicate.
  Result<OpenFiles> duplicate() const;

  const std::filesystem::path& name() const { return name_; }
  std::span<const OpenFile> files() const { return files_; }
  bool is_one_file() const { return files_.size() == 1 && files_.front().name() == name_; }
  // The file with this name, which is no path; null if there is none.
  const OpenFile* find(std::string_view file_name) const;

  std::uint64_t size() const;  // bytes of all files when they were opened
  bool unchanged() const;      // false when any file is no longer what it was when it was opened

 private:
  std::filesystem::path name_;
  std::vector<OpenFile> files_;
};

}  // namespace mlxr::platform
