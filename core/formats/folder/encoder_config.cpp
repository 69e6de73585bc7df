#include "core/formats/folder/encoder_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMean = 1, kFirst = 2, kLast = 3, kScores = 4;  // GGUF's kinds of pooling

struct PoolingMode {
  std::string_view flag, name;
  std::int64_t kind;
};
constexpr PoolingMode kModes[] = {
    {"pooling_mode_cls_token", "cls", kFirst},
    {"pooling_mode_mean_tokens", "mean", kMean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", kMean},  // the same direction
    {"pooling_mode_lasttoken", "lasttoken", kLast},
};
constexpr std::string_view kNoModes[] = {"word_embedding_dimension", "include_prompt", "pooling_mode", "embedding_dimension"};

// Nothing for a mode that MLXR does not have, and for several at once.
std::optional<std::int64_t> pooling_of(const Json& config) {
  std::optional<std::int64_t> kind;
  const auto* named = config.find("pooling_mode");
  for (const auto& mode : kModes)
    if (named && named->text() && *named->text() == mode.name) kind = mode.kind;
  if (named || !config.members()) return kind;
  for (const auto& [name, value] : *config.members()) {
    if (std::ranges::find(kNoModes, name) != std::end(kNoModes) || value.boolean() != true) continue;
    const auto mode = std::ranges::find(kModes, name, &PoolingMode::flag);
    if (mode == std::end(kModes) || kind) return std::nullopt;
    kind = mode->kind;
  }
  return kind;
}

// Modules after the transformer. What is not here would change an embedding.
Result<void> check_modules(const Json& modules, const std::string& file) {
  if (!modules.items()) return damaged(file, "it is not a list of modules");
  for (const auto& module : *modules.items()) {
    const auto* type = module.find("type");
    const std::string name = type && type->text() ? *type->text() : "";
    const auto last = name.substr(name.rfind('.') + 1);
    if (last != "Transformer" && last != "Pooling" && last != "Normalize")
      return fail(ErrorCode::kUnsupported, "MLXR cannot run models with the module " + printable(name) + " yet (" + file + ").");
  }
  return {};
}

}  // namespace

bool read_encoder(const ModelType& type, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata) {
  if (!type.encoder) return false;
  metadata.add(prefix + "attention.causal", false);
  if (const auto types = config.integer("type_vocab_size")) metadata.add("tokenizer.ggml.token_type_count", *types);  // for other programs
  const auto* architectures = config.find("architectures");
  const auto* of_class =
      architectures && architectures->items() && !architectures->items()->empty() ? &architectures->items()->front() : nullptr;
  const bool scores = of_class && of_class->text() && of_class->text()->ends_with("ForSequenceClassification");
  if (scores) metadata.add(prefix + "pooling_type", kScores);
  return scores;
}

Result<void> read_pooling(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata) {
  const auto modules = folder.read_json(kModulesFile);
  if (!modules) return fail(modules.error());
  if (*modules) {
    if (auto known = check_modules(**modules, (folder.path() / kModulesFile).string()); !known) return known;
  }
  const auto config = folder.read_json(kPoolingFile);
  if (!config) return fail(config.error());
  if (!*config || model.scores) return {};
  const auto kind = pooling_of(**config);
  if (!kind) {
    return fail(ErrorCode::kUnsupported, "MLXR cannot pool embeddings as " + (folder.path() / kPoolingFile).string() +
                                             " asks for: it takes the mean, the first or the last row.");
  }
  metadata.add(std::string(model.type->architecture) + ".pooling_type", *kind);
  return {};
}

}  // namespace mlxr::formats
