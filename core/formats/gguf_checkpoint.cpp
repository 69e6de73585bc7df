#include "core/formats/gguf_checkpoint.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"
#include "core/formats/shards.h"

namespace mlxr::formats {
namespace {

constexpr std::string_view kNumber = "split.no", kCount = "split.count", kTensors = "split.tensors.count";

struct File {
  std::unique_ptr<const FileSource> source;
  std::shared_ptr<const GgufContents> contents;

  std::string name() const { return source->file().name().string(); }
  std::optional<std::int64_t> integer(std::string_view key) const { return contents->metadata.integer(key); }
};

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(std::vector<File> files) : files_(std::move(files)) {
    for (const auto& file : files_) tensors_.insert(tensors_.end(), file.contents->tensors.begin(), file.contents->tensors.end());
    for (const auto& tensor : tensors_) by_name_.push_back(&tensor);
    std::ranges::sort(by_name_, {}, &Tensor::name);
  }

  const Metadata& metadata() const override { return files_.front().contents->metadata; }
  std::shared_ptr<const Metadata> share_metadata() const override { return {files_.front().contents, &files_.front().contents->metadata}; }
  std::span<const Tensor> tensors() const override { return tensors_; }

  std::uint64_t file_size() const override {
    std::uint64_t bytes = 0;
    for (const auto& file : files_) bytes += file.source->size();
    return bytes;
  }
  bool unchanged() const override {
    return std::ranges::all_of(files_, [](const File& file) { return file.source->file().unchanged(); });
  }

  const Tensor* find(std::string_view name) const override {
    const auto it = std::ranges::lower_bound(by_name_, name, {}, &Tensor::name);
    return it != by_name_.end() && (*it)->name == name ? *it : nullptr;
  }

 private:
  std::vector<File> files_;
  std::vector<Tensor> tensors_;
  std::vector<const Tensor*> by_name_;  // sorted; elements of `tensors_`
};

std::unexpected<Error> not_one_model(const File& a, const File& b, const std::string& why) {
  return fail(ErrorCode::kCorrupt, a.name() + " and " + b.name() + " are not shards of one model: " + why + ".");
}

// One file must be the whole model.
Result<void> check_whole(const File& file) {
  const auto count = file.integer(kCount).value_or(1);
  if (count == 0 || count == 1) return {};
  if (count < 0 || count > kMaxShards) {
    return damaged(file.name(),
                   std::string(kCount) + " is " + std::to_string(count) + "; a model has 1 to " + std::to_string(kMaxShards) + " shards");
  }
  const ShardName usual{.stem = "NAME", .number = 1, .count = static_cast<int>(count)};
  return fail(ErrorCode::kUnsupported, file.name() + " is part " + std::to_string(file.integer(kNumber).value_or(0) + 1) + " of " +
                                           std::to_string(count) +
                                           " of a model, and its name does not say where the others are. Give all parts the names that "
                                           "they were published with, from " +
                                           usual.of(1) + " to " + usual.of(usual.count) + ".");
}

// What `file`, the shard at `index`, says of itself must agree with the first one and with its place.
Result<void> check_shard(const std::vector<File>& files, std::size_t index) {
  const auto &first = files.front(), &file = files[index];
  const auto number = file.integer(kNumber);
  if (!number || !file.integer(kCount)) return damaged(file.name(), "it is a shard, and does not say which (" + std::string(kNumber) + ")");
  if (file.integer(kCount) != static_cast<std::int64_t>(files.size())) {
    return fail(ErrorCode::kCorrupt, file.name() + " is a shard of " + std::to_string(*file.integer(kCount)) + ", and should be one of " +
                                         std::to_string(files.size()) + ".");
  }
  if (*number != static_cast<std::int64_t>(index)) {
    return fail(ErrorCode::kCorrupt, file.name() + " is shard " + std::to_string(*number + 1) + ", and should be shard " +
                                         std::to_string(index + 1) + " of " + std::to_string(files.size()) + ".");
  }
  if (file.integer(kTensors) != first.integer(kTensors)) {
    return not_one_model(first, file, "they differ in " + std::string(kTensors));
  }
  for (const auto& [key, value] : file.contents->metadata.all()) {
    if (index == 0 || key == kNumber) continue;
    const auto* same = first.contents->metadata.find(key);
    if (same == nullptr || *same != value) return not_one_model(first, file, "they differ in " + printable(key));
  }
  return {};
}

Result<void> check_tensors(const std::vector<File>& files) {
  std::vector<std::pair<std::string_view, const File*>> names;
  for (const auto& file : files)
    for (const auto& tensor : file.contents->tensors) names.emplace_back(tensor.name, &file);
  if (const auto all = files.front().integer(kTensors); all && *all != static_cast<std::int64_t>(names.size())) {
    return fail(ErrorCode::kCorrupt, files.front().name() + " says that the shards have " + std::to_string(*all) + " tensors; they have " +
                                         std::to_string(names.size()) + ". Download them again.");
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names, {}, [](const auto& one) { return one.first; });
  if (twice == names.end()) return {};
  return not_one_model(*twice[0].second, *twice[1].second, "both have the tensor " + printable(twice->first));
}

}  // namespace

Result<std::shared_ptr<const Checkpoint>> open_gguf(platform::OpenFiles opened) {
  std::vector<File> files;
  for (const auto& one : opened.files()) {
    const std::string name = one.name().string();
    auto file = platform::OpenFile::duplicate(one.descriptor(), name);
    if (!file) return fail(std::move(file.error()));
    auto source = std::make_unique<FileSource>(*std::move(file));
    auto contents = parse_gguf(*source, name);
    if (!contents) return fail(std::move(contents.error()));
    files.push_back({std::move(source), std::make_shared<const GgufContents>(*std::move(contents))});
  }
  if (files.size() == 1) {
    if (auto whole = check_whole(files.front()); !whole) return fail(whole.error());
  } else {
    for (std::size_t i = 0; i < files.size(); ++i)
      if (auto fits = check_shard(files, i); !fits) return fail(fits.error());
    if (auto distinct = check_tensors(files); !distinct) return fail(distinct.error());
  }
  return std::make_shared<const GgufCheckpoint>(std::move(files));
}

}  // namespace mlxr::formats
