#include "core/models/runnable.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <mlxrunner/can_run.h>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"
#include "core/text/tokenizer.h"

namespace mlxr::models {
namespace {

// The file names of the first and the last part, as llama-gguf-split writes them: NAME-00001-of-00003.gguf.
std::string parts_of(const std::string& name, std::int64_t parts) {
  const std::string file = std::filesystem::path(name).filename().string();
  char suffix[64];
  const auto part = [&](std::int64_t number) {
    std::snprintf(suffix, sizeof suffix, "-%05lld-of-%05lld.gguf", static_cast<long long>(number), static_cast<long long>(parts));
    return std::string(suffix);
  };
  const auto length = part(1).size();
  if (file.size() <= length || !file.ends_with(part(1).substr(6))) return {};
  const std::string stem = file.substr(0, file.size() - length);
  return " (" + stem + part(1) + (parts == 2 ? " and " : " to ") + stem + part(parts) + ")";
}

// Refuses GGUF files that are not models.
Result<void> check_kind(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors, const std::string& name) {
  const auto refuse = [&](const std::string& what) { return fail(ErrorCode::kUnsupported, name + " " + what); };
  if (const auto parts = metadata.integer("split.count").value_or(0); parts > 1) {
    const auto index = metadata.integer("split.no").value_or(0) + 1;
    return refuse("is part " + std::to_string(index) + " of " + std::to_string(parts) + " of a model" + parts_of(name, parts) +
                  ". MLXR runs models that are one file: join the parts with llama.cpp's llama-gguf-split --merge FIRST_PART OUTPUT.");
  }
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
  return models::check_runnable((*contents)->metadata, (*contents)->tensors, name);
}

}  // namespace mlxr
