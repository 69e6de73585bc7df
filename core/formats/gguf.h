// GGUF: header, metadata, tensor directory, padding, tensor data. All numbers little-endian.
//
//   "GGUF"  version u32  n_tensors u64  n_keys u64
//   n_keys x     key string, type u32, value
//   n_tensors x  name string, n_dims u32, dims u64[n_dims] (fastest first), type u32, offset u64 (from the start of the data)
//   padding to general.alignment (32 unless the file says otherwise), data
//
// A string is a u64 length and its bytes. An array is an element type u32, a u64 count and the elements.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/byte_reader.h"
#include "core/formats/checkpoint.h"
#include "core/formats/metadata.h"
#include "core/formats/printable.h"

namespace mlxr::formats {

// Limits far above every model in the field, and low enough that a damaged count gives an error and does not exhaust memory.
inline constexpr std::uint64_t kMaxKeys = 1 << 16;
inline constexpr std::uint64_t kMaxTensors = 1 << 18;
inline constexpr std::uint64_t kMaxNameLength = 65535;                      // of keys and tensors; the limit of GGUF's specification
inline constexpr std::uint64_t kMaxStringLength = std::uint64_t{64} << 20;  // of a value
inline constexpr std::uint64_t kMaxArrayLength = 1 << 24;
inline constexpr int kMaxArrayDepth = 4;
inline constexpr std::uint64_t kMaxHead = std::uint64_t{1} << 30;  // bytes before the data
inline constexpr std::int64_t kMaxAlignment = 1 << 20;

struct GgufContents {
  std::vector<std::byte> head;  // the file up to its data, and perhaps more; the views in the other members point into it
  Metadata metadata;
  std::vector<Tensor> tensors;  // in the order of the file; no two have the same name
};

// Reads everything that stands before a file's data. `file_name` begins every error message. `source` must outlive the tensors.
// Memory used is at most a small multiple of the file's size. Errors: kCorrupt, kUnsupported (see Checkpoint::open), kIo.
Result<GgufContents> parse_gguf(const Source& source, std::string_view file_name);

// The same from the first bytes of a file of `file_size` bytes, for example while it is downloaded. The tensors cannot be read.
// Returns nothing when `head` is too short to tell.
std::optional<Result<GgufContents>> parse_gguf_head(std::vector<std::byte> head, std::uint64_t file_size, std::string_view file_name);

// The metadata section alone: `n_keys` pairs from the reader's position on.
Result<Metadata> parse_gguf_metadata(ByteReader& reader, std::uint64_t n_keys, std::string_view file_name);

// kCorrupt: "FILE is damaged: WHAT. Download or copy it again."
std::unexpected<Error> damaged(std::string_view file_name, const std::string& what);

}  // namespace mlxr::formats
