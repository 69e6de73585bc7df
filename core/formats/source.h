// Bytes that can be read at any offset: a model file, or memory (tests, the fuzzer). May be used from any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <mlxrunner/result.h>

#include "platform/open_file.h"

namespace mlxr::formats {

class Source {
 public:
  virtual ~Source() = default;

  virtual std::uint64_t size() const = 0;
  // Fills `to` with the bytes from `offset` on. Errors: kIo; kCorrupt when the source ends before.
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> to) const = 0;
};

class FileSource final : public Source {
 public:
  explicit FileSource(platform::OpenFile file) : file_(std::move(file)) {}

  std::uint64_t size() const override { return file_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override { return file_.read(offset, to); }
  const platform::OpenFile& file() const { return file_; }

 private:
  platform::OpenFile file_;
};

// Refers to bytes that the caller owns.
class MemorySource final : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t size() const override { return bytes_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override {
    if (offset > bytes_.size() || to.size() > bytes_.size() - offset) return fail(ErrorCode::kCorrupt, "The bytes end too early.");
    std::ranges::copy(bytes_.subspan(static_cast<std::size_t>(offset), to.size()), to.begin());
    return {};
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace mlxr::formats
