#include "core/formats/checkpoint.h"

#include <utility>

#include "core/formats/folder/folder.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/gguf_checkpoint.h"
#include "core/formats/shards.h"
#include "core/quant/dequantize.h"

namespace mlxr::formats {

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
  return open_gguf_files(path);
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::filesystem::path& path) {
  auto files = open_model_files(path);
  if (!files) return fail(std::move(files.error()));
  return open(*std::move(files));
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(platform::OpenFiles files) {
  const bool is_gguf = files.is_one_file() || ShardName::parse(files.files().front().name().filename().string());
  return is_gguf ? open_gguf(std::move(files)) : open_folder(std::move(files));
}

}  // namespace mlxr::formats
