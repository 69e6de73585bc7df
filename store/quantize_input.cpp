#include "store/quantize_input.h"

#include <utility>

#include "core/formats/shards.h"

namespace mlxr::store {
namespace {

// A folder, or shards. What a shard says of itself is not true of the whole.
Result<QuantizeInput> open_several_files(const std::filesystem::path& path) {
  auto checkpoint = formats::Checkpoint::open(path);
  if (!checkpoint) return fail(std::move(checkpoint.error()));
  QuantizeInput input{.checkpoint = *std::move(checkpoint)};
  input.metadata = &input.checkpoint->metadata();
  input.tensors = input.checkpoint->tensors();
  input.size = input.checkpoint->file_size();
  const auto& all = input.metadata->all();
  input.encoded.reserve(all.size());  // the pairs refer to its elements
  for (const auto& [key, value] : all) {
    if (key.starts_with("split.")) continue;
    input.encoded.push_back(formats::encode_pair(key, value));
    input.pairs.push_back({key, input.encoded.back()});
  }
  return input;
}

}  // namespace

Result<QuantizeInput> QuantizeInput::open(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored) || formats::shard_paths(path).size() > 1) return open_several_files(path);
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
