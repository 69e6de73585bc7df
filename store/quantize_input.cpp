#include "store/quantize_input.h"

#include <utility>

namespace mlxr::store {
namespace {

Result<QuantizeInput> open_folder(const std::filesystem::path& path) {
  auto folder = formats::Checkpoint::open(path);
  if (!folder) return fail(std::move(folder.error()));
  QuantizeInput input{.folder = *std::move(folder)};
  input.metadata = &input.folder->metadata();
  input.tensors = input.folder->tensors();
  input.size = input.folder->file_size();
  for (const auto& [key, value] : input.metadata->all()) input.encoded.push_back(formats::encode_pair(key, value));
  auto bytes = input.encoded.begin();
  for (const auto& [key, value] : input.metadata->all()) input.pairs.push_back({key, *bytes++});
  return input;
}

}  // namespace

Result<QuantizeInput> QuantizeInput::open(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_folder(path);
  auto file = platform::OpenFile::open(path);
  if (!file) return fail(std::move(file.error()));
  QuantizeInput input{.file = std::make_unique<const formats::FileSource>(*std::move(file))};
  auto contents = formats::parse_gguf(*input.file, path.string());
  if (!contents) return fail(std::move(contents.error()));
  input.contents = std::make_unique<const formats::GgufContents>(*std::move(contents));
  input.metadata = &input.contents->metadata;
  input.tensors = input.contents->tensors;
  input.size = input.file->size();
  input.pairs = formats::gguf_pairs(input.contents->head);
  return input;
}

}  // namespace mlxr::store
