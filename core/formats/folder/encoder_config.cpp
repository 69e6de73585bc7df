#include "core/formats/folder/encoder_config.h"

#include <string_view>

#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kScores = 4;  // among GGUF's kinds of pooling

// ModernBERT's head takes the mean of the rows in GGUF, whose first row is otherwise what its class takes.
void check_head(ConfigReader& config) {
  const auto *pooling = config.text("classifier_pooling"), *activation = config.text("classifier_activation");
  if (!pooling || *pooling != "mean") config.note(ErrorCode::kUnsupported, "classifier_pooling", pooling ? printable(*pooling) : "missing");
  if (activation && *activation != "gelu") config.note(ErrorCode::kUnsupported, "classifier_activation", printable(*activation));
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
  if (scores && type.architecture == "modern-bert") check_head(config);
  return scores;
}

}  // namespace mlxr::formats
