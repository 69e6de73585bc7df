// Sources that decode the packed weights of folders while they are read, row by row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/formats/folder/json_value.h"
#include "core/formats/folder/safetensors.h"

namespace mlxr::formats {

// How a matrix of an MLX folder is packed.
enum class MlxMode { kAffine, kMxfp4, kNvfp4, kMxfp8 };
struct MlxPacking {
  MlxMode mode = MlxMode::kAffine;
  std::int64_t bits = 4, group = 64;
};

// What `quantization` in config.json says of a module; the same for all, or one of its own. Nothing for modules that are not packed.
// Errors: kUnsupported (a mode, a number of bits or a width of groups that MLX does not have).
Result<std::optional<MlxPacking>> mlx_packing(const Json* quantization, const std::string& module);

// The type of floats that need no decoding. Nothing for others.
std::optional<quant::Type> float_type(Dtype dtype);

// A tensor that was decoded: `source` makes its bytes.
struct Decoded {
  quant::Type type = quant::Type::kF32;
  std::vector<std::int64_t> shape;
  std::unique_ptr<const Source> source;
};

// A matrix of MLX: `weight` has its bits in uint32, `scales` and, in affine mode, `biases` one value for each group of columns.
//
//   affine: value = scale * bits + bias. 2 to 4 bits become Q4_1, 5 bits Q5_1, which have the same form and lose nothing; 6 and 8 bits F16.
//   mxfp4, nvfp4: GGUF's own types with the same values; nvfp4 only where the columns are a multiple of 64.
//   the others: small floats, which BF16 holds exactly.
//
// The matrices of several experts may be stacked: all of the tensors have one dimension more, and so has the result.
// Errors: kCorrupt (shapes that do not fit together), kUnsupported. `name` is for messages.
Result<Decoded> decode_mlx(const MlxPacking& packing, const StoredSource& weight, const StoredSource* scales, const StoredSource* biases,
                           const std::string& name);

// The same for mxfp4 as OpenAI publishes it (gpt-oss): `blocks` (..., blocks of a row, 16 bytes) and `scales` (..., blocks of a row) in
// uint8.
Result<Decoded> decode_mxfp4_blocks(const StoredSource& blocks, const StoredSource* scales, const std::string& name);

// A matrix of 8-bit floats (E4M3) becomes BF16. `scale` multiplies them: one value, one for each row, or one for each block of
// `block` x `block` values (DeepSeek's weight_scale_inv). Null: they are not scaled. Errors: kCorrupt.
Result<Decoded> decode_fp8(const StoredSource& weight, const StoredSource* scale, std::int64_t block, const std::string& name);

}  // namespace mlxr::formats
