// Makes a smaller copy of a model, which is a GGUF file or a model folder: each tensor in the type that the recipe chooses
// (quantize_recipe.h), with the same metadata. For MLX's types it makes a folder of a folder (mlx_folder.h).
//
//   store::quantize("model-f16.gguf", "model-q4_k_m.gguf", "Q4_K_M", {.threads = 2});
//   store::quantize("model", "model-4bit", "mlx-4bit", {.threads = 2});
//
// Works as a stream: a few megabytes of one tensor are in memory at a time. The output file appears only when it is complete; after an
// error nothing is left of it. The same input and recipe give the same bytes, with any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

struct QuantizeOptions {
  int threads = 1;
  bool allow_requantize = false;  // accept an input that is already quantized, which loses quality
  bool overwrite = false;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of the input
  const std::atomic<bool>* cancelled = nullptr;                           // checked several times a second
  std::uint64_t shard_bytes = 5'000'000'000;                              // of the weights in one file of an MLX folder
};

struct QuantizeSummary {
  std::uint64_t size_before;  // bytes of the files
  std::uint64_t size_after;
  double bits_per_weight;  // of the output's tensors
  std::string note;        // a sentence about tensors that have another type, because their rows do not fill its blocks; may be empty
};

// A file that MLXR cannot run is refused before anything is read of its weights, because the recipes know the tensors of the families that
// run and of no others.
// Errors: those of can_run (mlxrunner/can_run.h); kInvalidArgument (no such type, input and output are the same file, input is quantized),
// kAlreadyExists, kUnsupported (also: a value is not finite, or too large for half-precision scales; the sentence names the tensor),
// kNoSpace, kPermission, kIo, kCancelled; those of write_mlx_folder() (mlx_folder.h).
Result<QuantizeSummary> quantize(const std::filesystem::path& input, const std::filesystem::path& output, std::string_view type,
                                 const QuantizeOptions& options);

// Makes a GGUF file of a model folder: the same values, in the same types where GGUF has them. Errors: those of quantize().
Result<QuantizeSummary> convert(const std::filesystem::path& folder, const std::filesystem::path& output, const QuantizeOptions& options);

// The names of all recipes and of MLX's types: "F16, BF16, …"
std::string quantize_types();

}  // namespace mlxr::store
