// A whole regular file, mapped read-only. Move-only; the bytes live as long as the object. Safe to read from any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include <mlxrunner/result.h>

namespace mlxr::formats {

class MappedFile {
 public:
  // Errors: kNotFound, kPermission, kIo; kUnsupported for a folder, a device, a pipe or a socket; kCorrupt for an empty file.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  // Gives the memory of a part of bytes() back; it can be read again.
  void forget(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace mlxr::formats
