// safetensors: the length of the header u64 (little-endian), the header (JSON), the data.
//
//   {"model.norm.weight": {"dtype": "BF16", "shape": [576], "data_offsets": [0, 1152]}, ..., "__metadata__": {"format": "pt"}}
//
// Offsets count from the end of the header. As in the reference implementation, the tensors lie one behind the other, without holes and
// without overlaps, from the header to the end of the file. docs: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/source.h"

namespace mlxr::formats {

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;  // bytes; the reference implementation has the same limit

enum class Dtype { kBool, kU8, kI8, kU16, kI16, kU32, kI32, kU64, kI64, kF8E4M3, kF8E5M2, kF8E8M0, kF16, kBF16, kF32, kF64 };

std::string_view name_of(Dtype dtype);  // "BF16"

struct StoredTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;  // row-major; empty: one value
  std::uint64_t offset = 0;         // from the beginning of the file
  std::uint64_t bytes = 0;
};

// A tensor, and the file that holds it.
struct StoredSource {
  StoredTensor tensor;
  const Source* file = nullptr;
};

// The tensors of a file, in the order of their data. `file_name` begins every error message.
// Errors: kCorrupt (a sentence with the tensor and the offsets), kUnsupported (a dtype that MLXR does not know), those of Source::read.
Result<std::vector<StoredTensor>> parse_safetensors(const Source& file, std::string_view file_name);

}  // namespace mlxr::formats
