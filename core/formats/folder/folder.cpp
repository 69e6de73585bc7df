#include "core/formats/folder/folder.h"

#include <algorithm>
#include <utility>

#include "core/formats/folder/config.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/safetensors.h"
#include "core/formats/folder/sentence_modules.h"
#include "core/formats/folder/tensor_builder.h"
#include "core/formats/folder/vocabulary.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::string_view kConfig = "config.json";

using WeightFiles = std::vector<std::unique_ptr<const FileSource>>;

class FolderCheckpoint final : public Checkpoint {
 public:
  FolderCheckpoint(std::shared_ptr<const OwnedMetadata> metadata, WeightFiles files, BuiltTensors built)
      : metadata_(std::move(metadata)), files_(std::move(files)), built_(std::move(built)) {
    for (const auto& tensor : built_.tensors) by_name_.push_back(&tensor);
    std::ranges::sort(by_name_, {}, &Tensor::name);
  }

  const Metadata& metadata() const override { return metadata_->metadata(); }
  std::shared_ptr<const Metadata> share_metadata() const override { return {metadata_, &metadata_->metadata()}; }
  std::span<const Tensor> tensors() const override { return built_.tensors; }

  const Tensor* find(std::string_view name) const override {
    const auto at = std::ranges::lower_bound(by_name_, name, {}, &Tensor::name);
    return at != by_name_.end() && (*at)->name == name ? *at : nullptr;
  }

  std::uint64_t file_size() const override {
    std::uint64_t bytes = 0;
    for (const auto& file : files_) bytes += file->size();
    return bytes;
  }

  bool unchanged() const override {
    return std::ranges::all_of(files_, [](const auto& file) { return file->file().unchanged(); });
  }

 private:
  std::shared_ptr<const OwnedMetadata> metadata_;
  WeightFiles files_;
  BuiltTensors built_;
  std::vector<const Tensor*> by_name_;  // sorted
};

Result<BuiltTensors> read_tensors(const FolderFiles& folder, const ModelConfig& model, std::span<const DenseFiles> dense,
                                  WeightFiles& files) {
  const auto names = folder.weight_files();
  if (!names) return fail(names.error());
  TensorBuilder builder(model, folder.path().string());
  const auto open = [&](std::string_view name) -> Result<const FileSource*> {
    auto file = folder.open_file(name);
    if (!file) return fail(std::move(file.error()));
    return files.emplace_back(std::make_unique<FileSource>(*std::move(file))).get();
  };
  std::size_t count = 0;
  for (const auto& name : *names) {
    const auto opened = open(name);
    if (!opened) return fail(opened.error());
    const auto& source = **opened;
    auto stored = parse_safetensors(source, (folder.path() / name).string());
    if (!stored) return fail(std::move(stored.error()));
    count += stored->size();
    if (count > kMaxTensors) return damaged(folder.path().string(), "it has more than " + std::to_string(kMaxTensors) + " tensors");
    for (auto& tensor : *stored) {
      if (auto added = builder.add({std::move(tensor), &source}); !added) return fail(added.error());
    }
  }
  for (const auto& layer : dense) {
    if (builder.has(layer.module)) continue;
    const auto opened = open(layer.weights);
    if (!opened) return fail(opened.error());
    if (auto added = add_dense_layer(folder, layer, **opened, builder); !added) return fail(added.error());
  }
  auto built = builder.finish();
  if (!built) return built;
  std::vector<std::string_view> all;
  for (const auto& tensor : built->tensors) all.push_back(tensor.name);
  std::ranges::sort(all);
  if (const auto twice = std::ranges::adjacent_find(all); twice != all.end())
    return damaged(folder.path().string(), "two of its tensors are " + printable(*twice) + " in GGUF");
  return built;
}

}  // namespace

Result<std::shared_ptr<const Checkpoint>> open_folder(platform::OpenFiles opened) {
  const FolderFiles folder(std::move(opened));
  const auto& path = folder.path();
  const auto config = folder.read_json(kConfig);
  if (!config) return fail(config.error());
  if (!*config) return damaged(path.string(), "it has no " + std::string(kConfig));
  const auto metadata = std::make_shared<OwnedMetadata>();
  metadata->add("general.name", metadata->keep(std::filesystem::absolute(path).lexically_normal().filename().string()));
  const auto model = read_config(**config, (path / kConfig).string(), *metadata);
  if (!model) return fail(model.error());
  const auto dense = read_sentence_modules(folder, *model, *metadata);
  if (!dense) return fail(dense.error());
  WeightFiles files;
  auto built = read_tensors(folder, *model, *dense, files);
  if (!built) return fail(std::move(built.error()));
  add_dense_widths(*built, *model, *metadata);
  if (auto read = read_vocabulary(folder, *model, *metadata); !read) return fail(read.error());
  return std::make_shared<const FolderCheckpoint>(metadata, std::move(files), *std::move(built));
}

}  // namespace mlxr::formats
