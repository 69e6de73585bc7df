#include "core/formats/checkpoint.h"

#include <algorithm>
#include <utility>

#include "core/formats/folder/folder.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/gguf.h"
#include "core/quant/dequantize.h"

namespace mlxr::formats {
namespace {

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(std::unique_ptr<FileSource> source, std::shared_ptr<const GgufContents> contents)
      : source_(std::move(source)), contents_(std::move(contents)) {}

  const Metadata& metadata() const override { return contents_->metadata; }
  std::shared_ptr<const Metadata> share_metadata() const override { return {contents_, &contents_->metadata}; }
  std::span<const Tensor> tensors() const override { return contents_->tensors; }
  std::uint64_t file_size() const override { return source_->size(); }
  bool unchanged() const override { return source_->file().unchanged(); }

  const Tensor* find(std::string_view name) const override {
    const auto& names = contents_->by_name;
    const auto it = std::lower_bound(names.begin(), names.end(), name, [](const Tensor* t, std::string_view n) { return t->name < n; });
    return it != names.end() && (*it)->name == name ? *it : nullptr;
  }

 private:
  std::unique_ptr<FileSource> source_;
  std::shared_ptr<const GgufContents> contents_;
};

}  // namespace

std::uint64_t Tensor::elements() const {
  std::uint64_t n = 1;
  for (const auto dim : shape) n *= static_cast<std::uint64_t>(dim);
  return n;
}

Tensor Tensor::rows(std::int64_t first, std::int64_t count) const {
  const auto row_bytes = bytes / static_cast<std::uint64_t>(shape[0]);
  auto part = *this;
  part.shape[0] = count;
  part.offset += static_cast<std::uint64_t>(first) * row_bytes;
  part.bytes = static_cast<std::uint64_t>(count) * row_bytes;
  return part;
}

Tensor Tensor::rows_of_each(std::int64_t first, std::int64_t run_rows, std::int64_t period, std::int64_t count) const {
  auto part = rows(first, count);
  const auto row_bytes = part.bytes / static_cast<std::uint64_t>(count);
  part.run = static_cast<std::uint64_t>(run_rows) * row_bytes;
  part.gap = static_cast<std::uint64_t>(period - run_rows) * row_bytes;
  return part;
}

Tensor Tensor::at(std::int64_t i) const {
  auto part = rows(i, 1);
  part.shape.erase(part.shape.begin());
  return part;
}

Result<void> Tensor::read(std::uint64_t first, std::span<std::byte> to) const {
  if (gap == 0) return source->read(offset + first, to);
  while (!to.empty()) {
    const auto piece = to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), run - first % run)));
    if (auto done = source->read(offset + first + first / run * gap, piece); !done) return done;
    first += piece.size();
    to = to.subspan(piece.size());
  }
  return {};
}

Result<std::vector<float>> Tensor::values() const {
  std::vector<std::byte> packed(static_cast<std::size_t>(bytes));
  if (auto done = read(0, packed); !done) return fail(std::move(done.error()));
  std::vector<float> values(static_cast<std::size_t>(elements()));
  quant::dequantize_row(type, packed.data(), values.data(), values.size());
  return values;
}

Result<platform::OpenFiles> open_model_files(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    auto folder = FolderFiles::open(path);
    if (!folder) return fail(std::move(folder.error()));
    return (*std::move(folder)).take();
  }
  auto file = platform::OpenFile::open(path);
  if (!file) return fail(std::move(file.error()));
  return *std::move(file);
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::filesystem::path& path) {
  auto files = open_model_files(path);
  if (!files) return fail(std::move(files.error()));
  return open(*std::move(files));
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(platform::OpenFiles files) {
  if (!files.is_one_file()) return open_folder(std::move(files));
  auto file = platform::OpenFile::duplicate(files.files().front().descriptor(), files.name());
  if (!file) return fail(std::move(file.error()));
  auto source = std::make_unique<FileSource>(*std::move(file));
  auto contents = parse_gguf(*source, files.name().string());
  if (!contents) return fail(std::move(contents.error()));
  return std::make_shared<const GgufCheckpoint>(std::move(source), std::make_shared<const GgufContents>(*std::move(contents)));
}

}  // namespace mlxr::formats
