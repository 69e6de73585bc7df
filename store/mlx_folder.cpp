#include "store/mlx_folder.h"

#include <sys/stat.h>
#include <unistd.h>  // mkdtemp, on macOS

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/formats/checkpoint.h"
#include "core/formats/folder/config.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/mlx_encoder.h"
#include "core/formats/folder/names.h"
#include "core/formats/printable.h"
#include "core/models/runnable.h"
#include "core/quant/dequantize.h"
#include "platform/files.h"
#include "store/model_file.h"
#include "store/on_threads.h"
#include "store/safetensors_writer.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using formats::MlxMode;
using formats::MlxPacking;
using formats::StoredTensor;
using formats::Tensor;

constexpr std::size_t kSlabValues = std::size_t{1} << 22;  // encoded between two writes
constexpr std::string_view kTokenizerFiles[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"};

// A tensor of the input, and those that it becomes: itself, or bits, scales and perhaps biases.
struct Plan {
  Tensor source;
  formats::Dtype dtype = formats::Dtype::kF32;
  std::vector<StoredTensor> made;

  bool is_packed() const { return made.size() > 1; }
  std::size_t columns() const { return source.shape.empty() ? 1 : static_cast<std::size_t>(source.shape.back()); }
  std::size_t rows() const { return static_cast<std::size_t>(source.elements()) / columns(); }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& tensor : made) sum += tensor.bytes;
    return sum;
  }
};

formats::Dtype dtype_of(quant::Type type) {
  if (type == quant::Type::kF32) return formats::Dtype::kF32;
  return type == quant::Type::kF16 ? formats::Dtype::kF16 : formats::Dtype::kBF16;
}

// The folder while it is being made. Deleted unless it was moved to its name.
class NewFolder {
 public:
  static Result<NewFolder> create(const fs::path& wanted) {
    const auto name = wanted.has_filename() ? wanted : wanted.parent_path();  // "folder/" is "folder"
    if (platform::is_there(name)) return fail(ErrorCode::kInvalidArgument, name.string() + " exists. Name a folder that does not exist.");
    auto temporary = name.string() + ".partial-XXXXXX";
    if (::mkdtemp(temporary.data()) == nullptr) return fail(platform::os_error(errno, "Cannot create " + name.string()));
    ::chmod(temporary.c_str(), 0755);
    return NewFolder(name, std::move(temporary));
  }
  NewFolder(NewFolder&& other) noexcept : name_(std::move(other.name_)), temporary_(std::exchange(other.temporary_, {})) {}
  NewFolder& operator=(NewFolder&&) = delete;
  ~NewFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  }

  fs::path file(std::string_view name) const { return temporary_ / name; }
  Result<void> finish() {
    std::error_code ec;
    fs::rename(temporary_, name_, ec);
    if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + name_.string()));
    temporary_.clear();
    return {};
  }

 private:
  NewFolder(fs::path name, fs::path temporary) : name_(std::move(name)), temporary_(std::move(temporary)) {}
  fs::path name_, temporary_;
};

class MlxFolderMaker {
 public:
  MlxFolderMaker(const fs::path& input, const fs::path& output, const MlxPacking& packing, const QuantizeOptions& options)
      : input_(input), output_(output), packing_(packing), options_(options) {}

  Result<QuantizeSummary> run() {
    const auto folder = find_model_folder(input_);
    if (!folder)
      return fail(ErrorCode::kInvalidArgument,
                  input_.string() + " is not a model folder, and an MLX folder can be made of a model folder only.");
    auto opened = formats::open_model_files(*folder);
    if (!opened) return fail(std::move(opened.error()));
    if (auto runs = check(*opened); !runs) return fail(runs.error());
    const formats::FolderFiles files(*std::move(opened));
    if (auto read = read_plans(files); !read) return fail(read.error());
    auto made = NewFolder::create(output_);
    if (!made) return fail(std::move(made.error()));
    if (auto enough = check_space(); !enough) return fail(enough.error());
    if (auto done = write_weights(*made); !done) return fail(done.error());
    if (auto done = write_description(files, *made); !done) return fail(done.error());
    if (!checkpoint_->unchanged())
      return fail(ErrorCode::kCorrupt, input_.string() + " was changed by another program while it was read. Nothing was written.");
    if (auto done = made->finish(); !done) return fail(done.error());
    return summary();
  }

 private:
  Result<void> check(const platform::OpenFiles& opened) {
    auto files = opened.duplicate();
    if (!files) return fail(std::move(files.error()));
    auto checkpoint = formats::Checkpoint::open(*std::move(files));
    if (!checkpoint) return fail(std::move(checkpoint.error()));
    checkpoint_ = *std::move(checkpoint);
    return models::check_runnable(checkpoint_->metadata(), checkpoint_->tensors(), input_.string());
  }

  Result<void> read_plans(const formats::FolderFiles& files) {
    const auto config = files.read_json("config.json");
    if (!config) return fail(config.error());
    formats::OwnedMetadata unused;
    const auto model = formats::read_config(**config, (files.path() / "config.json").string(), unused);
    if (!model) return fail(model.error());
    const bool recurrent = model->type->recurrence != formats::Recurrence::kNone;
    if (model->wrapped || recurrent)
      return fail(ErrorCode::kUnsupported, "mlx quantize cannot make an MLX folder of a model " +
                                               std::string(recurrent ? "with recurrent layers" : "that also sees") +
                                               " yet. A GGUF file of " + input_.string() + ": mlx quantize " + input_.string() +
                                               " OUTPUT.gguf Q4_K_M");
    if (model->quantization != nullptr) return packed_already();
    const auto names = files.weight_files();
    if (!names) return fail(names.error());
    for (const auto& name : *names) {
      auto file = files.open_file(name);
      if (!file) return fail(std::move(file.error()));
      const auto& source = *sources_.emplace_back(std::make_unique<formats::FileSource>(*std::move(file)));
      size_before_ += source.size();
      auto tensors = formats::parse_safetensors(source, name);
      if (!tensors) return fail(std::move(tensors.error()));
      for (const auto& tensor : *tensors) {
        if (formats::is_left_out(tensor.name, *model)) continue;
        if (auto planned = plan({tensor, &source}, *model); !planned) return planned;
      }
    }
    return {};
  }

  Result<void> plan(const formats::StoredSource& stored, const formats::ModelConfig& model) {
    using formats::Layout;
    const auto& tensor = stored.tensor;
    const auto type = formats::float_type(tensor.dtype);
    if (!type) return packed_already();
    const auto full = formats::with_last_part(tensor.name);
    const auto dot = std::min(full.rfind('.'), full.size());
    const auto stem = full.substr(0, dot), end = full.substr(dot);
    const auto mapped = formats::map_name(stem, end, model);
    const auto layout = mapped ? mapped->layout : Layout::kAsItIs;
    const bool is_other_stack = layout == Layout::kGateThenUp || stem.ends_with(".output_linear");  // of Granite
    if (layout == Layout::kExpert || is_other_stack) return plan_experts(*mapped, stem);
    const Tensor source{.type = *type, .shape = tensor.shape, .offset = tensor.offset, .bytes = tensor.bytes, .source = stored.file};
    // A router decides by small differences, and mlx-lm does not pack all of them.
    const bool is_router = mapped && mapped->name.contains(".ffn_gate_inp");
    const bool is_vector = layout == Layout::kNorm || layout == Layout::kStacked || layout == Layout::kVector;
    const bool is_matrix = tensor.shape.size() >= 2 && end == ".weight" && !is_router && !is_vector;
    add(source, is_matrix ? stem : "", tensor.name);
    return {};
  }

  // mlx-lm stacks the experts' matrices, as GGUF does: they are read as the GGUF tensors that they become.
  Result<void> plan_experts(const formats::MappedName& mapped, const std::string& stem) {
    constexpr std::pair<std::string_view, std::string_view> kParts[] = {
        {"ffn_gate_exps", "gate_proj"}, {"ffn_up_exps", "up_proj"}, {"ffn_down_exps", "down_proj"}};
    const auto experts = stem.find(".experts.");
    const auto module = stem.substr(0, experts == stem.npos ? stem.rfind('.') : experts) + ".switch_mlp.";
    for (const auto& [gguf, part] : kParts) {
      const bool is_both = mapped.layout == formats::Layout::kGateThenUp && gguf != "ffn_down_exps";
      if (!is_both && !mapped.name.contains(gguf)) continue;
      const auto name = "blk." + std::to_string(mapped.layer) + "." + std::string(gguf) + ".weight";
      const auto* stack = checkpoint_->find(name);
      if (stack != nullptr && experts_.insert(name).second) add(*stack, module + std::string(part), module + std::string(part) + ".weight");
    }
    return {};
  }

  // `stem` is the name without ".weight" of a matrix that may be packed; empty for all else.
  void add(const Tensor& source, const std::string& stem, const std::string& name) {
    Plan plan{.source = source, .dtype = dtype_of(source.type)};
    total_ += source.bytes;
    values_ += source.elements();
    if (!stem.empty() && source.shape.back() % packing_.group == 0) {
      const formats::MlxEncoder encoder(packing_, plan.columns(), plan.dtype);
      const auto part = [&](std::string_view end, formats::Dtype dtype, std::size_t columns, std::size_t row_bytes) {
        auto shape = source.shape;
        shape.back() = static_cast<std::int64_t>(columns);
        plan.made.push_back({.name = stem + std::string(end), .dtype = dtype, .shape = std::move(shape), .bytes = plan.rows() * row_bytes});
      };
      const auto groups = plan.columns() / static_cast<std::size_t>(packing_.group);
      part(".weight", formats::Dtype::kU32, encoder.bits_bytes() / 4, encoder.bits_bytes());
      part(".scales", encoder.scales_type(), groups, encoder.scales_bytes());
      if (encoder.biases_bytes() > 0) part(".biases", encoder.scales_type(), groups, encoder.biases_bytes());
    } else {
      plan.made.push_back({.name = name, .dtype = plan.dtype, .shape = source.shape, .bytes = source.bytes});
      left_ += !stem.empty();
    }
    size_after_ += plan.bytes();
    plans_.push_back(std::move(plan));
  }

  Result<void> check_space() const {
    const auto free = platform::free_space(fs::absolute(output_).parent_path());
    if (free && *free < size_after_)
      return fail(ErrorCode::kNoSpace,
                  output_.string() + " needs " + std::to_string(size_after_) + " bytes; " + std::to_string(*free) + " are free there.");
    return {};
  }

  // The plans of each file.
  std::vector<std::vector<Plan>> shards() {
    std::vector<std::vector<Plan>> all(1);
    std::uint64_t bytes = 0;
    for (auto& plan : plans_) {
      if (bytes > 0 && bytes + plan.bytes() > options_.shard_bytes) {
        all.emplace_back();
        bytes = 0;
      }
      bytes += plan.bytes();
      all.back().push_back(std::move(plan));
    }
    return all;
  }

  Result<void> write_weights(const NewFolder& folder) {
    const auto all = shards();
    nlohmann::ordered_json index{{"metadata", {{"total_size", size_after_}}}, {"weight_map", nlohmann::ordered_json::object()}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      char name[64];
      std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, all.size());
      const std::string file = all.size() == 1 ? "model.safetensors" : name;
      std::vector<StoredTensor> tensors;
      for (const auto& plan : all[i]) tensors.insert(tensors.end(), plan.made.begin(), plan.made.end());
      for (const auto& tensor : tensors) index["weight_map"][tensor.name] = file;
      auto writer = SafetensorsWriter::create(folder.file(file), tensors);
      if (!writer) return fail(std::move(writer.error()));
      for (const auto& plan : all[i]) {
        if (auto done = write(plan, *writer); !done) return done;
      }
      if (auto done = writer->finish(); !done) return done;
    }
    if (all.size() == 1) return {};
    return platform::write_file_atomically(folder.file("model.safetensors.index.json"), index.dump(2));
  }

  Result<void> write(const Plan& plan, SafetensorsWriter& writer) {
    const auto rows = plan.rows(), row_bytes = static_cast<std::size_t>(plan.source.bytes) / rows;
    const formats::MlxEncoder encoder(packing_, plan.columns(), plan.dtype);
    if (plan.is_packed()) {
      scales_.resize(rows * encoder.scales_bytes());
      biases_.resize(rows * encoder.biases_bytes());
    }
    const auto of_slab = std::max<std::size_t>(kSlabValues / plan.columns(), 1);
    for (std::size_t first = 0; first < rows; first += of_slab) {
      if (options_.cancelled != nullptr && *options_.cancelled) return fail(ErrorCode::kCancelled, "Stopped. Nothing was written.");
      const auto count = std::min(of_slab, rows - first);
      read_.resize(count * row_bytes);
      if (auto done = plan.source.read(first * row_bytes, read_); !done) return done;
      if (plan.is_packed()) {
        if (auto done = pack(plan, encoder, first, count); !done) return done;
      }
      if (auto done = writer.append(plan.is_packed() ? packed_ : read_); !done) return done;
      done_ += read_.size();
      if (options_.progress) options_.progress(done_, total_);
    }
    if (!plan.is_packed()) return {};
    if (auto done = writer.append(scales_); !done) return done;
    return writer.append(biases_);
  }

  // Packs what was read: rows [first, first + count) of the tensor.
  Result<void> pack(const Plan& plan, const formats::MlxEncoder& encoder, std::size_t first, std::size_t count) {
    const auto row_bytes = read_.size() / count;
    const auto row_of = [](std::vector<std::byte>& all, std::size_t row, std::size_t bytes) {
      return std::span(all).subspan(row * bytes, bytes);
    };
    packed_.resize(count * encoder.bits_bytes());
    std::atomic<bool> is_finite = true;
    std::atomic<std::size_t> next = 0;
    on_threads(options_.threads, [&] {
      std::vector<float> values(plan.columns());
      for (std::size_t row; (row = next.fetch_add(1)) < count;) {
        quant::dequantize_row(plan.source.type, read_.data() + row * row_bytes, values.data(), values.size());
        if (std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
          encoder.encode(values, {.bits = row_of(packed_, row, encoder.bits_bytes()),
                                  .scales = row_of(scales_, first + row, encoder.scales_bytes()),
                                  .biases = row_of(biases_, first + row, encoder.biases_bytes())});
        } else {
          is_finite = false;
        }
      }
    });
    if (is_finite) return {};
    return fail(ErrorCode::kUnsupported, input_.string() + " cannot be quantized: tensor " + formats::printable(plan.made[0].name) +
                                             " holds a value that is infinite or not a number. Nothing was written.");
  }

  Result<void> write_description(const formats::FolderFiles& files, const NewFolder& folder) const {
    const auto text = files.read_text("config.json");
    if (!text) return fail(text.error());
    auto config = nlohmann::ordered_json::parse(**text);  // read_plans() has parsed it with limits
    const auto mode = packing_.mode == MlxMode::kAffine ? "affine" : "mxfp4";
    const nlohmann::ordered_json said{{"group_size", packing_.group}, {"bits", packing_.bits}, {"mode", mode}};
    config["quantization"] = config["quantization_config"] = said;
    if (auto done = platform::write_file_atomically(folder.file("config.json"), config.dump(2) + "\n"); !done) return done;
    for (const auto name : kTokenizerFiles) {
      const auto content = files.read_text(name);
      if (!content) return fail(content.error());
      if (!*content) continue;
      if (auto done = platform::write_file_atomically(folder.file(name), **content); !done) return done;
    }
    return {};
  }

  QuantizeSummary summary() const {
    QuantizeSummary made{.size_before = size_before_, .size_after = size_after_, .bits_per_weight = 0, .note = ""};
    if (values_ > 0) made.bits_per_weight = static_cast<double>(size_after_) * 8 / static_cast<double>(values_);
    if (left_ > 0)
      made.note = std::to_string(left_) + " tensors have rows whose length is not a multiple of " + std::to_string(packing_.group) +
                  ": they stay as they are.";
    return made;
  }

  std::unexpected<Error> packed_already() const {
    return fail(ErrorCode::kInvalidArgument, input_.string() + " is quantized, and an MLX folder can be made of F16, BF16 and F32 only.");
  }

  const fs::path& input_;
  const fs::path& output_;
  const MlxPacking packing_;
  const QuantizeOptions& options_;
  std::vector<std::unique_ptr<const formats::FileSource>> sources_;
  std::shared_ptr<const formats::Checkpoint> checkpoint_;  // the same in the words of GGUF
  std::set<std::string> experts_;                          // tensors of GGUF that are planned
  std::vector<Plan> plans_;
  std::vector<std::byte> read_, packed_;    // some rows of a tensor, as they were and packed
  std::vector<std::byte> scales_, biases_;  // of all of its rows
  std::uint64_t size_before_ = 0, size_after_ = 0, values_ = 0, left_ = 0;
  std::uint64_t done_ = 0, total_ = 0;
};

}  // namespace

std::optional<MlxPacking> find_mlx_packing(std::string_view type) {
  if (type == "mlx-mxfp4") return MlxPacking{.mode = MlxMode::kMxfp4, .bits = 4, .group = 32};
  for (const std::int64_t bits : {2, 3, 4, 5, 6, 8}) {
    const auto name = "mlx-" + std::to_string(bits) + "bit";
    if (type == name) return MlxPacking{.bits = bits, .group = 64};
    for (const std::int64_t group : {32, 64, 128}) {
      if (type == name + "-" + std::to_string(group)) return MlxPacking{.bits = bits, .group = group};
    }
  }
  return std::nullopt;
}

std::string mlx_packing_names() { return "mlx-2bit, mlx-3bit, mlx-4bit, mlx-5bit, mlx-6bit, mlx-8bit, mlx-mxfp4"; }

Result<QuantizeSummary> write_mlx_folder(const fs::path& input, const fs::path& output, const MlxPacking& packing,
                                         const QuantizeOptions& options) {
  return MlxFolderMaker(input, output, packing, options).run();
}

}  // namespace mlxr::store
