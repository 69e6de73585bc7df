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
  // Reads the weights from the file, which is not needed afterwards. Repacked weights lie in the memory of `panels`, which they keep alive.
  // Errors: those of read_config; kCorrupt (a tensor is missing or has the wrong shape; the message names it); kUnsupported (`ops` cannot
  // run a tensor's type); those of Panels::append; kCancelled (`cancelled` became true, which is looked at before each tensor).
  static Result<std::unique_ptr<const Transformer>> load(const formats::Checkpoint& file, std::shared_ptr<const ops::Ops> ops,
                                                         ops::Panels& panels, const std::atomic<bool>* cancelled = nullptr);

  const Config& config() const { return config_; }

  // Runs the model on the tokens of the batch and stores their keys and values in `caches`, one for each layer. What it returns and stores
  // may be lazy: the caller evaluates. Returns the logits of batch->outputs, (outputs, vocabulary), or nothing if there are none. The last
  // layer computes only those rows.
  std::optional<mlx::core::array> forward(const ops::BatchPtr& batch, std::span<ops::LayerCache> caches) const;

 private:
  struct Layer {
    mlx::core::array attention_norm, mlp_norm;
    std::optional<mlx::core::array> q_norm, k_norm, post_attention_norm, post_mlp_norm;
    ops::Weight q, k, v, o, gate, up, down;
  };

  Transformer() = default;
  // Stores the keys and values of x in the cache; returns its queries, (T, heads · head_dim).
  mlx::core::array project(const Layer& w, bool local, const mlx::core::array& x, const ops::BatchPtr& batch, ops::LayerCache& cache) const;
  // x + MLP of x
  mlx::core::array mlp(const Layer& w, const mlx::core::array& x) const;
  // x + projection of y, which is normalised before the sum in the families that do so.
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
