// A regular file that is open for reading.
//
// Code that checks a file before it uses it (looks at its size, hashes it, reads its header) opens it once and passes the OpenFile on, so
// that every step reads the same file. A path gives no such promise: it can name another file by the next open().
//
//   auto file = platform::OpenFile::open("model.gguf");                    // or OpenFile::adopt(descriptor, "model.gguf")
//   auto hash = platform::hash_file(*file);
//   auto model = engine->load(file->descriptor(), file->name(), {.digest = *hash});
//
// An OpenFile reads with pread and never maps the file: when another process cuts the file short, read() returns an error, where a
// mapping would end this process with SIGBUS. May be used from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include <sys/stat.h>

#include <mlxrunner/result.h>

#include "platform/files.h"

namespace mlxr::platform {

class OpenFile {
 public:
  // Opens `path`, following symbolic links.
  // Errors: kNotFound, kPermission, kIo; kUnsupported for a folder, a device, a pipe or a socket; kCorrupt for an empty file.
  static Result<OpenFile> open(const std::filesystem::path& path);

  // Takes over a descriptor that is open for reading, for example one that a client sent over a socket. `name` is used in messages only.
  // Errors: as open().
  static Result<OpenFile> adopt(FileDescriptor descriptor, std::filesystem::path name);

  // Makes a second descriptor of the same open file; the caller keeps its own. Errors: as open().
  static Result<OpenFile> duplicate(int descriptor, std::filesystem::path name);

  int descriptor() const { return descriptor_.get(); }
  const std::filesystem::path& name() const { return name_; }
  std::uint64_t size() const { return static_cast<std::uint64_t>(info_.st_size); }  // when it was opened
  const struct stat& info() const { return info_; }                                 // when it was opened

  // Fills `to` with the bytes from `offset` on. Does not move the descriptor's position.
  // Errors: kIo; kCorrupt when the file ends before (it was cut after it was opened).
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const;

  // False when the file's size or modification time is no longer what it was when it was opened.
  bool unchanged() const;

 private:
  OpenFile() = default;

  FileDescriptor descriptor_;
  std::filesystem::path name_;
  struct stat info_{};
};

}  // namespace mlxr::platform
