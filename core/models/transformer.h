// A decoder-only transformer, run on ops/: weights and the forward pass.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/models/describe.h"
#include "core/ops/ops.h"

namespace mlxr::models {

class WeightReader;

class Transformer {
 public:
  // Reads the weights from the file, which is not needed afterwards. Repacked weights lie in the memory of `panels`, which they keep alive.
  // `block_tokens` is the size of a block in the caches.
  // Errors: kCorrupt (a factor of the first rope is not a positive number); kUnsupported (`ops` cannot run a tensor's type, or a part of a
  // fused one); those of Panels::append; kCancelled (`cancelled` became true, which is looked at before each tensor).
  static Result<std::unique_ptr<const Transformer>> load(const Description& description, const formats::Checkpoint& file,
                                                         std::shared_ptr<const ops::Ops> ops, ops::Panels& panels, int block_tokens,
                                                         const std::atomic<bool>* cancelled = nullptr);

  const ModelSpec& spec() const { return spec_; }

  // Runs the model on the tokens of the batch and stores their keys and values in `caches`, one for each layer, whose kinds are those of
  // caches_of(spec()). What it returns and stores may be lazy: the caller evaluates. Returns the logits of batch.outputs, (outputs,
  // vocabulary) float32, or nothing if there are none. The last layer computes only those rows.
  std::optional<mlx::core::array> forward(ops::Batch batch, std::span<ops::LayerCache> caches) const;

 private:
  using Array = mlx::core::array;

  struct AttentionLayer {
    Attention spec;
    ops::WeightPtr q, k, v, output;
    std::optional<Array> q_norm, k_norm, sinks;
  };
  struct GatedMlpLayer {
    GatedMlp spec;
    ops::WeightPtr gate, up, down;
  };
  struct Layer {
    Array mixer_norm, mlp_norm;
    std::optional<Array> norm_after_mixer, norm_after_mlp;
    std::variant<AttentionLayer> mixer;
    std::variant<GatedMlpLayer> feed_forward;
  };

  Transformer() = default;
  static AttentionLayer read(WeightReader& reader, const Attention& spec, int layer);
  static GatedMlpLayer read(WeightReader& reader, const GatedMlp& spec, int layer);

  // What a mixer computes of x, before its output matrix: (T, width). Nothing if no row of it is wanted: then it only stores.
  std::optional<Array> mix(const AttentionLayer& layer, const Array& x, const ops::Step& step, ops::LayerCache& cache, bool wanted) const;
  Array feed_forward(const GatedMlpLayer& layer, const Array& x, const ops::Step& step) const;
  // x + y · wᵀ, which is normalised before the sum if there is a norm for that.
  Array add_product(const Array& x, const Array& y, const ops::Weight& w, const std::optional<Array>& norm, const ops::Step& step) const;
  Array normalised(const Array& x, const Array& norm) const { return ops_->rms_norm(x, norm, spec_.norm_eps); }

  ModelSpec spec_;
  ops::StepShape step_shape_;
  std::shared_ptr<const ops::Ops> ops_;
  std::vector<Layer> layers_;
  ops::WeightPtr embeddings_;
  ops::WeightPtr head_;  // the embeddings, in many models
  std::optional<Array> final_norm_;
};

}  // namespace mlxr::models
