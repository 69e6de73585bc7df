#include "core/models/runnable.h"

#include <mlxrunner/can_run.h>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"
#include "core/models/family.h"
#include "core/text/tokenizer.h"

namespace mlxr::models {
namespace {

// Refuses GGUF files that are not models.
Result<void> check_kind(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors, const std::string& name) {
  const auto refuse = [&](const std::string& what) { return fail(ErrorCode::kUnsupported, name + " " + what); };
  const auto type = metadata.string("general.type").value_or("model");
  const auto architecture = metadata.string("general.architecture").value_or("");
  if (type == "adapter") return refuse("is an adapter (LoRA) for a model, not a model. Merge it into its base model first.");
  if (type == "mmproj" || architecture == "clip")
    return refuse("is the image or audio part of a model (mmproj), not a model. Get the file with the language model.");
  if (type == "imatrix") return refuse("is an importance matrix, not a model.");
  if (type != "model") return refuse("is of the type " + formats::printable(type) + ", not a model.");
  if (tensors.empty()) return refuse("holds a vocabulary and no weights, so it cannot be run.");
  return {};
}

// The first shard has the metadata of all, and some of the tensors: what it lacks may be in the others, which have nothing but tensors.
Result<void> check_shard(const formats::Metadata& metadata, const std::string& name) {
  const auto architecture = metadata.string("general.architecture");
  if (!architecture) return {};
  if (!find_family(*architecture)) {
    return fail(ErrorCode::kUnsupported,
                name + " has the architecture " + formats::printable(*architecture) + ", which MLXR does not run yet.");
  }
  const auto tokenizer = text::Tokenizer::from_metadata(metadata);
  return tokenizer ? Result<void>() : fail(tokenizer.error());
}

}  // namespace

Result<void> check_runnable(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors, const std::string& name) {
  const auto description = describe_runnable(metadata, tensors, name);
  if (!description) return fail(description.error());
  const auto tokenizer = text::Tokenizer::from_metadata(metadata);
  if (!tokenizer) return fail(tokenizer.error());
  return check_vocabulary((*tokenizer)->vocab_size(), description->spec.vocabulary);
}

Result<void> check_vocabulary(std::int64_t tokens, std::int64_t embeddings) {
  if (tokens <= embeddings) return {};
  return fail(ErrorCode::kCorrupt, "The model's vocabulary has " + std::to_string(tokens) + " tokens and its embeddings only " +
                                       std::to_string(embeddings) + " rows.");
}

Result<Description> describe_runnable(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors,
                                      const std::string& name) {
  if (auto kind = check_kind(metadata, tensors, name); !kind) return fail(kind.error());
  return describe(metadata, tensors);
}

}  // namespace mlxr::models

namespace mlxr {

Result<void> can_run(const std::filesystem::path& file) {
  const auto opened = formats::Checkpoint::open(file);
  if (!opened) return fail(opened.error());
  return models::check_runnable((*opened)->metadata(), (*opened)->tensors(), file.string());
}

std::optional<Result<void>> can_run(std::span<const std::byte> head, std::uint64_t file_size, const std::string& name) {
  const auto contents = formats::parse_gguf_head({head.begin(), head.end()}, file_size, name);
  if (!contents) return std::nullopt;
  if (!*contents) return fail(contents->error());
  if ((*contents)->metadata.integer("split.count").value_or(1) > 1) return models::check_shard((*contents)->metadata, name);
  return models::check_runnable((*contents)->metadata, (*contents)->tensors, name);
}

}  // namespace mlxr
