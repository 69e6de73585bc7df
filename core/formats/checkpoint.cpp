#include "core/formats/checkpoint.h"

#include <algorithm>
#include <utility>

#include "core/formats/gguf.h"
#include "core/formats/mapped_file.h"

namespace mlxr::formats {
namespace {

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(MappedFile file, GgufContents contents) : file_(std::move(file)), contents_(std::move(contents)) {}

  const Metadata& metadata() const override { return contents_.metadata; }
  std::span<const Tensor> tensors() const override { return contents_.tensors; }
  std::uint64_t file_size() const override { return file_.bytes().size(); }
  void forget(const Tensor& tensor) const override { file_.forget(tensor.data); }

  const Tensor* find(std::string_view name) const override {
    const auto& names = contents_.by_name;
    const auto it = std::lower_bound(names.begin(), names.end(), name, [](const Tensor* t, std::string_view n) { return t->name < n; });
    return it != names.end() && (*it)->name == name ? *it : nullptr;
  }

 private:
  MappedFile file_;
  GgufContents contents_;
};

}  // namespace

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  if (!file) return fail(std::move(file.error()));
  auto contents = parse_gguf(file->bytes(), path.string());
  if (!contents) return fail(std::move(contents.error()));
  return std::make_shared<const GgufCheckpoint>(std::move(*file), std::move(*contents));
}

}  // namespace mlxr::formats
