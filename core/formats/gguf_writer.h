// Writes a GGUF file as a stream: first the header, then the tensors' bytes in order. No tensor is held in memory.
//
//   auto writer = GgufWriter::create("out.gguf", pairs, tensors, 32);
//   for (const auto& tensor : tensors) writer->append(bytes_of(tensor));       // as many calls as you like
//   writer->finish();                                                          // now out.gguf exists, and is on the disk
//
// Until finish() has succeeded, `file` is untouched: the bytes go to a temporary file beside it, which the destructor deletes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/metadata.h"
#include "core/quant/type.h"
#include "platform/files.h"

namespace mlxr::formats {

// One key of a file's metadata as the bytes of the file: key, type and value, of any type.
struct RawPair {
  std::string_view key;
  std::string_view bytes;
};

// The pairs of a file that parse_gguf has accepted, in its order. Views into `file`.
std::vector<RawPair> gguf_pairs(std::span<const std::byte> file);

// A pair of a value that no GGUF file holds, in the types that readers of GGUF expect: integers have 32 bits where they fit, numbers are
// float32. Lists of lists cannot be written: their value is an empty list.
std::string encode_pair(std::string_view key, const Value& value);

// A pair that holds an unsigned 32-bit number.
std::string u32_pair(std::string_view key, std::uint32_t value);

struct TensorPlan {
  std::string_view name;
  quant::Type type;
  std::vector<std::int64_t> shape;  // as in Tensor: slowest dimension first

  std::uint64_t bytes() const;
};

class GgufWriter {
 public:
  // Errors: kPermission, kNotFound (no such folder), kNoSpace, kIo.
  static Result<GgufWriter> create(const std::filesystem::path& file, std::span<const RawPair> pairs, std::span<const TensorPlan> tensors,
                                   std::uint64_t alignment);

  GgufWriter(GgufWriter&& other) noexcept = default;
  GgufWriter& operator=(GgufWriter&&) = delete;
  ~GgufWriter();

  // The next bytes of the tensors. Must not cross from one tensor into the next. Errors: kNoSpace, kIo.
  Result<void> append(std::span<const std::byte> bytes);

  // Syncs the file to the disk and renames it to its name, replacing an existing file.
  Result<void> finish();

 private:
  GgufWriter() = default;
  Result<void> pad();

  std::filesystem::path file_;
  std::string temporary_;  // empty when there is none to delete
  platform::FileDescriptor fd_;
  std::vector<std::uint64_t> tensor_bytes_;
  std::size_t tensor_ = 0;     // that append() is in
  std::uint64_t written_ = 0;  // of it
  std::uint64_t alignment_ = 32;
};

// Size in bytes of the whole file that the writer makes from these.
std::uint64_t gguf_file_size(std::span<const RawPair> pairs, std::span<const TensorPlan> tensors, std::uint64_t alignment);

}  // namespace mlxr::formats
