// Makes an MLX folder of a model folder: the matrices packed as mlx-lm's converter packs them, all else as it is, under the names that
// mlx-lm's classes have. Of a model that also sees or hears, it is the language model.
//
//   store::write_mlx_folder("qwen3-0.6b", "qwen3-0.6b-4bit", *store::find_mlx_packing("mlx-4bit"), {.threads = 2});
//
// The folder holds what mlx-lm reads: config.json with the packing, the weights in files of at most 5 GB, and the files of the tokenizer.
// It appears only when it is complete; after an error nothing is left of it. The same input gives the same bytes, with any number of
// threads.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "core/formats/folder/packed_sources.h"
#include "store/quantize.h"

namespace mlxr::store {

// "mlx-4bit" (groups of 64), "mlx-6bit-32", "mlx-mxfp4". Nothing for other names.
std::optional<formats::MlxPacking> find_mlx_packing(std::string_view type);

// What find_mlx_packing() knows, for messages.
std::string mlx_packing_names();

// Errors: those of can_run (mlxrunner/can_run.h); kInvalidArgument (`input` is no model folder, or is packed already), kAlreadyExists
// (`output` is there; a folder is never replaced), kUnsupported (a value that is not finite), kNoSpace,
// kPermission, kIo, kCancelled.
Result<QuantizeSummary> write_mlx_folder(const std::filesystem::path& input, const std::filesystem::path& output,
                                         const formats::MlxPacking& packing, const QuantizeOptions& options);

}  // namespace mlxr::store
