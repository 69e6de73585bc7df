// A decoder-only transformer, run on ops/: weights and the forward pass.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/models/config.h"
#include "core/ops/ops.h"

namespace mlxr::models {

class Transformer {
 public:
  // Takes the weights from the file, which is not needed afterwards; `panels` is theirs. Errors: those of read_config; kCorrupt (a tensor
  // is missing or has another shape, by name); kUnsupported (a type that `ops` cannot run); those of Panels::append; kCancelled
  // (`cancelled` became true, which is looked at before each tensor).
  static Result<std::unique_ptr<const Transformer>> load(const formats::Checkpoint& file, std::shared_ptr<const ops::Ops> ops,
                                                         ops::Panels& panels, const std::atomic<bool>* cancelled = nullptr);

  const Config& config() const { return config_; }

  enum class Logits { kNone, kLast, kAll };

  // One step over the batch; updates `caches`, one for each layer. What it returns and stores may be lazy: the caller evaluates.
  // Returns logits (n_sequences, vocabulary) for the last token of each sequence, or (n_tokens, vocabulary) with kAll, or nothing.
  std::optional<mlx::core::array> forward(const ops::BatchPtr& batch, std::span<ops::LayerCache> caches, Logits logits) const;

 private:
  struct Layer {
    mlx::core::array attention_norm, mlp_norm;
    std::optional<mlx::core::array> q_norm, k_norm, post_attention_norm, post_mlp_norm;
    ops::Weight q, k, v, o, gate, up, down;
  };

  Transformer() = default;
  mlx::core::array attention(const Layer& w, bool local, const mlx::core::array& x, const ops::BatchPtr& batch,
                             ops::LayerCache& cache) const;
  mlx::core::array mlp(const Layer& w, const mlx::core::array& x) const;
  // x + projection of y, normalised before the sum where the family does.
  mlx::core::array add_projection(const mlx::core::array& x, const mlx::core::array& y, const ops::Weight& w,
                                  const std::optional<mlx::core::array>& norm) const;

  Config config_;
  std::shared_ptr<const ops::Ops> ops_;
  std::vector<Layer> layers_;
  std::optional<ops::Weight> embeddings_;
  std::optional<ops::Weight> head_;  // absent: the embeddings are the head
  std::optional<mlx::core::array> final_norm_;
};

}  // namespace mlxr::models
