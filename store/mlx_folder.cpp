#include "store/mlx_folder.h"

#include <sys/stat.h>
#include <unistd.h>  // mkdtemp, on macOS

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/formats/checkpoint.h"
#include "core/formats/folder/config.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/json_value.h"
#include "core/formats/folder/mlx_encoder.h"
#include "core/formats/printable.h"
#include "core/models/runnable.h"
#include "core/quant/dequantize.h"
#include "platform/files.h"
#include "store/mlx_folder_plan.h"
#include "store/model_file.h"
#include "store/on_threads.h"
#include "store/safetensors_writer.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using formats::MlxMode;
using formats::MlxPacking;
using formats::StoredTensor;
using Plan = MlxTensorPlan;

constexpr std::size_t kSlabValues = std::size_t{1} << 22;  // encoded between two writes
constexpr std::string_view kCopiedFiles[] = {"tokenizer.json",
                                             "tokenizer_config.json",
                                             "generation_config.json",
                                             "chat_template.jinja",
                                             "chat_template.json",
                                             formats::kModulesFile,
                                             formats::kPoolingFile,
                                             formats::kDenseFiles[0].config,
                                             formats::kDenseFiles[0].weights,
                                             formats::kDenseFiles[1].config,
                                             formats::kDenseFiles[1].weights};

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

  fs::path file(const fs::path& within) const { return temporary_ / within; }
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
    if (model->quantization != nullptr) return packed_already();
    wrapped_ = model->wrapped;
    MlxFolderPlanner planner(*model, *checkpoint_, packing_);
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
        if (!planner.add({tensor, &source})) return packed_already();
      }
    }
    left_ = planner.left();
    plans_ = planner.take();
    for (const auto& plan : plans_) {
      total_ += plan.source.bytes;
      values_ += plan.source.elements();
      size_after_ += plan.bytes();
    }
    return {};
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
    auto config = nlohmann::ordered_json::parse(formats::quote_infinities(**text));  // read_plans() has parsed it with limits
    const auto mode = packing_.mode == MlxMode::kAffine ? "affine" : "mxfp4";
    const nlohmann::ordered_json said{{"group_size", packing_.group}, {"bits", packing_.bits}, {"mode", mode}};
    config["quantization"] = config["quantization_config"] = said;
    if (auto done = platform::write_file_atomically(folder.file("config.json"), formats::unquote_infinities(config.dump(2)) + "\n"); !done)
      return done;
    for (const auto name : kCopiedFiles) {
      const auto content = files.read_text(name);
      if (!content) return fail(content.error());
      if (!*content) continue;
      const auto file = folder.file(formats::FolderFiles::path_within(name));
      std::error_code ec;
      fs::create_directories(file.parent_path(), ec);
      if (ec) return fail(platform::os_error(ec.value(), "Cannot create " + file.parent_path().string()));
      if (auto done = platform::write_file_atomically(file, **content); !done) return done;
    }
    return {};
  }

  QuantizeSummary summary() const {
    QuantizeSummary made{.size_before = size_before_, .size_after = size_after_, .bits_per_weight = 0, .note = ""};
    if (values_ > 0) made.bits_per_weight = static_cast<double>(size_after_) * 8 / static_cast<double>(values_);
    if (wrapped_) made.note = "The parts that see or hear are left out.";
    if (left_ > 0)
      made.note += (made.note.empty() ? "" : " ") + std::to_string(left_) + " tensors have rows whose length is not a multiple of " +
                   std::to_string(packing_.group) + ": they stay as they are.";
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
  std::vector<Plan> plans_;
  std::vector<std::byte> read_, packed_;    // some rows of a tensor, as they were and packed
  std::vector<std::byte> scales_, biases_;  // of all of its rows
  std::uint64_t size_before_ = 0, size_after_ = 0, values_ = 0, left_ = 0;
  std::uint64_t done_ = 0, total_ = 0;
  bool wrapped_ = false;
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
