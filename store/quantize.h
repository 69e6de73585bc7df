// Makes a smaller copy of a model: every tensor in the type that its recipe chooses (quantize_recipe.h), metadata as it lies in the source.
//
//   store::quantize("model-f16.gguf", "model-q4_k_m.gguf", "Q4_K_M", {.threads = 2});
//
// Streams: some megabytes of one tensor are in memory at a time. The output appears when it is whole; whatever goes wrong, nothing of it is
// left. The same input and recipe give the same bytes, for any number of threads.
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
  bool allow_requantize = false;  // the input may be quantized already: what it lost stays lost, and more is lost
  bool overwrite = false;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes of the input
  const std::atomic<bool>* cancelled = nullptr;                           // looked at several times a second
};

struct QuantizeSummary {
  std::uint64_t size_before;  // bytes of the files
  std::uint64_t size_after;
  double bits_per_weight;      // of the output's tensors
  std::uint64_t n_other_type;  // tensors that got another type than the recipe means, because their rows are no multiple of its block
};

// Errors: those of Checkpoint::open; kInvalidArgument (no such type, input and output are the same file, input is quantized),
// kAlreadyExists, kUnsupported (a value is not finite, or too large for half-precision scales; the sentence names the tensor), kNoSpace,
// kPermission, kIo, kCancelled.
Result<QuantizeSummary> quantize(const std::filesystem::path& input, const std::filesystem::path& output, std::string_view type,
                                 const QuantizeOptions& options);

// The types that there are: "F16, BF16, …"
std::string quantize_types();

}  // namespace mlxr::store
