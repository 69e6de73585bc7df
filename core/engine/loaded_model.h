// The engine's side of a Model: weights, tokenizer, template and KV cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <mlxrunner/engine.h>
#include <mlxrunner/model.h>

#include "core/engine/pace.h"
#include "core/formats/checkpoint.h"
#include "core/kv/cache.h"
#include "core/kv/prefixes.h"
#include "core/models/transformer.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "platform/mapping_guard.h"

namespace mlxr::engine {

// Sessions of a model that run at the same time. More would only make each of them slower.
inline constexpr int kMostSessions = 64;

// The limits of a KV cache: its size in bytes, the type of keys and values, and the most tokens of a step.
struct KvLimit {
  std::uint64_t bytes = 0;
  quant::Type type = quant::Type::kF16;
  int batch_tokens = 0;
};

class LoadedModel final : public Model {
 public:
  // Errors: see Engine::load.
  static Result<std::unique_ptr<LoadedModel>> load(platform::OpenFiles files, const LoadOptions& options, const KvLimit& limit,
                                                   std::shared_ptr<const ops::Ops> ops);

  const ModelInfo& info() const override { return info_; }
  bool is_intact() const override { return platform::mapping_is_intact(weights_); }
  std::vector<TokenId> tokenize(std::string_view text, TokenizeOptions options) const override;
  std::string detokenize(const std::vector<TokenId>& tokens, bool special) const override;
  Result<std::vector<TokenId>> render_chat(std::string_view context_json, ChatOptions options) const override;
  Pair render_pair(std::string_view query, std::string_view document) const override;
  Result<std::string> render_chat_text(std::string_view context_json, ChatOptions options) const override;

  const models::Transformer& transformer() const { return *transformer_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  // The engine's operations on which the model runs: a model belongs to one engine.
  const ops::Ops& ops() const { return *ops_; }
  // The tokens that an answer may have, as decode::TokenMask says. Empty: all.
  std::span<const std::uint32_t> allowed_tokens() const { return allowed_tokens_; }
  // For the scheduler's thread only.
  kv::Cache& cache() { return *cache_; }
  kv::Prefixes& prefixes() { return *prefixes_; }
  PromptPace& pace() { return pace_; }

 private:
  LoadedModel() = default;

  ModelInfo info_;
  std::shared_ptr<const ops::Ops> ops_;
  std::shared_ptr<const formats::Metadata> metadata_;  // the tokenizer refers to its texts
  std::unique_ptr<const text::Tokenizer> tokenizer_;
  std::vector<std::uint32_t> allowed_tokens_;
  std::unique_ptr<ops::Panels> panels_;
  const std::byte* weights_ = nullptr;  // the first of the panels; null: there are none
  std::unique_ptr<const models::Transformer> transformer_;
  std::unique_ptr<kv::Cache> cache_;
  std::unique_ptr<kv::Prefixes> prefixes_;
  PromptPace pace_;
  Result<text::ChatFormat> chat_ = fail(ErrorCode::kNotFound, "The model has no chat template.");
};

}  // namespace mlxr::engine
