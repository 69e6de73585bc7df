// Writes a safetensors file as a stream.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/safetensors.h"
#include "platform/files.h"

namespace mlxr::store {

class SafetensorsWriter {
 public:
  // Of each tensor, the name, dtype, shape and number of bytes count. Errors: kPermission, kAlreadyExists, kNoSpace, kIo.
  static Result<SafetensorsWriter> create(const std::filesystem::path& file, std::span<const formats::StoredTensor> tensors);

  // The next bytes of the tensors, in their order. Errors: kNoSpace, kIo.
  Result<void> append(std::span<const std::byte> bytes);
  // Syncs the file to the disk.
  Result<void> finish();

 private:
  SafetensorsWriter(std::filesystem::path file, platform::FileDescriptor fd) : file_(std::move(file)), fd_(std::move(fd)) {}

  std::filesystem::path file_;
  platform::FileDescriptor fd_;
};

}  // namespace mlxr::store
