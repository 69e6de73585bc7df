#include "store/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <mlxrunner/can_run.h>

#include "core/formats/gguf_writer.h"
#include "core/formats/printable.h"
#include "core/quant/dequantize.h"
#include "core/quant/quantize.h"
#include "platform/files.h"
#include "store/mlx_folder.h"
#include "store/on_threads.h"
#include "store/quantize_input.h"
#include "store/quantize_recipe.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using formats::Tensor;
using quant::Type;

constexpr std::size_t kChunkValues = std::size_t{1} << 14;  // one thread's share at a time: a multiple of every block size
constexpr std::size_t kSlabValues = std::size_t{1} << 22;   // encoded between two writes
constexpr std::uint32_t kQuantizationVersion = 2;           // ggml's version number of the block formats

// Why values cannot be encoded, worst last.
enum class Trouble : int { kNone, kTooLarge, kNotFinite };

Trouble trouble_in(std::span<const float> values, Type type) {
  const float limit = type == Type::kF32 || type == Type::kBF16 ? std::numeric_limits<float>::max() : quant::kMaxMagnitude;
  bool too_large = false;
  bool not_finite = false;
  for (const float x : values) {
    too_large |= !(std::fabs(x) <= limit);
    not_finite |= !(std::fabs(x) <= std::numeric_limits<float>::max());
  }
  return not_finite ? Trouble::kNotFinite : too_large ? Trouble::kTooLarge : Trouble::kNone;
}

// Decodes, checks and encodes a part of a tensor on several threads. Blocks do not depend on each other, so the part may be split between
// any two of them.
Trouble convert(std::span<const std::byte> source, Type from, std::span<std::byte> target, Type to, std::size_t n_values, int n_threads) {
  std::atomic<std::size_t> next = 0;
  std::atomic<int> worst = 0;
  on_threads(n_threads, [&] {
    std::vector<float> values(kChunkValues);
    for (std::size_t begin; (begin = next.fetch_add(kChunkValues)) < n_values;) {
      const std::size_t n = std::min(kChunkValues, n_values - begin);
      const std::byte* const in = source.data() + quant::row_bytes(from, begin);
      std::byte* const out = target.data() + quant::row_bytes(to, begin);
      quant::dequantize_row(from, in, values.data(), n);
      const int trouble = static_cast<int>(trouble_in({values.data(), n}, from == to ? Type::kF32 : to));
      for (int seen = worst; seen < trouble && !worst.compare_exchange_weak(seen, trouble);) {
      }
      if (trouble != 0) continue;
      if (from == to)
        std::memcpy(out, in, quant::row_bytes(to, n));
      else
        quant::quantize_row(to, values.data(), out, n);
    }
  });
  return static_cast<Trouble>(worst.load());
}

std::string count_of(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

class Quantizer {
 public:
  // Without a recipe each tensor stays as it is.
  Quantizer(const fs::path& input, const fs::path& output, const Recipe* recipe, const QuantizeOptions& options)
      : input_(input), output_(output), recipe_(recipe), options_(options) {}

  Result<QuantizeSummary> run() {
    if (auto ready = check_paths(); !ready) return fail(ready.error());
    if (auto runs = can_run(input_); !runs) return fail(std::move(runs.error()));
    auto source = QuantizeInput::open(input_);
    if (!source) return fail(std::move(source.error()));
    const auto types = recipe_ != nullptr ? choose_types(*recipe_, source->tensors, *source->metadata) : types_of(source->tensors);
    if (auto allowed = check_requantizing(*source, types); !allowed) return fail(allowed.error());

    std::vector<formats::TensorPlan> plans;
    for (std::size_t i = 0; i < types.size(); ++i) plans.push_back({source->tensors[i].name, types[i], source->tensors[i].shape});
    const auto alignment = static_cast<std::uint64_t>(source->metadata->integer("general.alignment").value_or(32));
    const std::string file_type = recipe_ != nullptr ? formats::u32_pair("general.file_type", recipe_->file_type) : "";
    const std::string version = formats::u32_pair("general.quantization_version", kQuantizationVersion);
    auto pairs = with(source->pairs, "general.quantization_version", version);
    if (recipe_ != nullptr) pairs = with(std::move(pairs), "general.file_type", file_type);

    const std::uint64_t size = formats::gguf_file_size(pairs, plans, alignment);
    if (auto enough = check_space(size); !enough) return fail(enough.error());
    auto writer = formats::GgufWriter::create(output_, pairs, plans, alignment);
    if (!writer) return fail(std::move(writer.error()));
    for (const Tensor& tensor : source->tensors) total_ += tensor.bytes;
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (auto done = copy(source->tensors[i], types[i], *writer); !done) return fail(done.error());
    }
    if (auto done = writer->finish(); !done) return fail(done.error());
    return summary(*source, plans, size);
  }

 private:
  Result<void> check_paths() const {
    std::error_code ignored;
    if (fs::equivalent(input_, output_, ignored)) {
      return fail(ErrorCode::kInvalidArgument, "Input and output are the same file, " + input_.string() + ".");
    }
    if (fs::is_directory(output_, ignored))
      return fail(ErrorCode::kInvalidArgument, output_.string() + " is a folder. Name the file to write.");
    if (!options_.overwrite && platform::is_there(output_)) {
      return fail(ErrorCode::kAlreadyExists, output_.string() + " exists.");
    }
    return {};
  }

  Result<void> check_requantizing(const QuantizeInput& source, const std::vector<Type>& types) const {
    for (std::size_t i = 0; i < types.size(); ++i) {
      const Tensor& tensor = source.tensors[i];
      if (tensor.type == types[i] || quant::traits(tensor.type).block_size == 1 || options_.allow_requantize) continue;
      return fail(ErrorCode::kInvalidArgument, input_.string() + " is already quantized: tensor " + formats::printable(tensor.name) +
                                                   " is " + std::string(quant::traits(tensor.type).name) +
                                                   ". Use the file in F16, BF16 or F32; quantizing twice loses more quality.");
    }
    return {};
  }

  Result<void> check_space(std::uint64_t size) const {
    const auto free = platform::free_space(fs::absolute(output_).parent_path());
    if (free && *free < size) {
      return fail(ErrorCode::kNoSpace, output_.string() + " needs " + count_of(size) + "; " + count_of(*free) + " are free there.");
    }
    return {};
  }

  static std::vector<Type> types_of(std::span<const Tensor> tensors) {
    std::vector<Type> types;
    for (const Tensor& tensor : tensors) types.push_back(tensor.type);
    return types;
  }

  // The pairs with this one added, or replacing the pair with the same key.
  static std::vector<formats::RawPair> with(std::vector<formats::RawPair> pairs, std::string_view key, std::string_view bytes) {
    const auto found = std::ranges::find(pairs, key, &formats::RawPair::key);
    if (found == pairs.end())
      pairs.push_back({key, bytes});
    else
      found->bytes = bytes;
    return pairs;
  }

  Result<void> copy(const Tensor& tensor, Type type, formats::GgufWriter& writer) {
    std::size_t n_values = 1;
    for (const auto dim : tensor.shape) n_values *= static_cast<std::size_t>(dim);
    for (std::size_t begin = 0; begin < n_values; begin += kSlabValues) {
      if (options_.cancelled != nullptr && *options_.cancelled) return fail(ErrorCode::kCancelled, "Stopped. Nothing was written.");
      const std::size_t n = std::min(kSlabValues, n_values - begin);
      source_.resize(quant::row_bytes(tensor.type, n));
      if (auto read = tensor.read(quant::row_bytes(tensor.type, begin), source_); !read) return read;
      buffer_.resize(quant::row_bytes(type, n));
      switch (convert(source_, tensor.type, buffer_, type, n, options_.threads)) {
        case Trouble::kNone: break;
        case Trouble::kNotFinite: return unfit(tensor, "holds a value that is infinite or not a number");
        case Trouble::kTooLarge:
          return unfit(tensor, "holds a value above 65504, which " + std::string(quant::traits(type).name) + " cannot hold");
      }
      if (auto written = writer.append(buffer_); !written) return written;
      done_ += source_.size();
      if (options_.progress) options_.progress(done_, total_);
    }
    return {};
  }

  std::unexpected<Error> unfit(const Tensor& tensor, const std::string& what) const {
    return fail(ErrorCode::kUnsupported, input_.string() + " cannot be quantized: tensor " + formats::printable(tensor.name) + " " + what +
                                             ". Nothing was written.");
  }

  QuantizeSummary summary(const QuantizeInput& source, const std::vector<formats::TensorPlan>& plans, std::uint64_t size) const {
    std::uint64_t bits = 0;
    std::uint64_t n_values = 0;
    std::uint64_t n_other = 0;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const auto& plan = plans[i];
      bits += plan.bytes() * 8;
      n_values += plan.bytes() / quant::traits(plan.type).block_bytes * quant::traits(plan.type).block_size;
      const auto block = static_cast<std::int64_t>(quant::traits(recipe_ != nullptr ? recipe_->type : plan.type).block_size);
      n_other += plan.type != source.tensors[i].type && plan.shape.back() % block != 0;
    }
    QuantizeSummary made{.size_before = source.size, .size_after = size, .bits_per_weight = 0, .note = ""};
    if (n_values > 0) made.bits_per_weight = static_cast<double>(bits) / static_cast<double>(n_values);
    if (n_other > 0)
      made.note =
          std::to_string(n_other) + " tensors have rows whose length is not a multiple of 256: each uses the next larger type that fits.";
    return made;
  }

  const fs::path& input_;
  const fs::path& output_;
  const Recipe* recipe_;
  const QuantizeOptions& options_;
  std::vector<std::byte> source_;  // a slab of the input
  std::vector<std::byte> buffer_;  // the same, encoded
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

Result<QuantizeSummary> quantize(const fs::path& input, const fs::path& output, std::string_view type, const QuantizeOptions& options) {
  if (const auto packing = find_mlx_packing(type)) return write_mlx_folder(input, output, *packing, options);
  const Recipe* recipe = find_recipe(type);
  if (recipe == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "mlx quantize cannot write the type " + std::string(type) + ". Choose one of " + quantize_types() + ".");
  }
  return Quantizer(input, output, recipe, options).run();
}

Result<QuantizeSummary> convert(const fs::path& folder, const fs::path& output, const QuantizeOptions& options) {
  return Quantizer(folder, output, nullptr, options).run();
}

std::string quantize_types() {
  std::string names;
  for (const Recipe& recipe : recipes()) names += (names.empty() ? "" : ", ") + std::string(recipe.name);
  return names + ", " + mlx_packing_names();
}

}  // namespace mlxr::store
