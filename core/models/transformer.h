// A transformer, run on ops/: weights and the forward pass.
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

struct TransformerOptions {
  int block_tokens = 0;                          // size of a block in the caches
  int context = 0;                               // tokens of the longest text; 0: the context that the model was trained for
  const std::atomic<bool>* cancelled = nullptr;  // looked at before each tensor
};

class Transformer {
 public:
  // Reads the weights from the file, which is not needed afterwards. Repacked weights lie in the memory of `panels`, which they keep alive.
  // `panels` are those of description.bindings.parts(file).
  // Errors: kCorrupt (a factor of the first rope is not a positive number); kUnsupported (`ops` cannot run a tensor's type); those of
  // Panels::write; kCancelled (`cancelled` became true).
  static Result<std::unique_ptr<const Transformer>> load(const Description& description, const formats::Checkpoint& file,
                                                         std::shared_ptr<const ops::Ops> ops, ops::Panels& panels,
                                                         const TransformerOptions& options);

  const ModelSpec& spec() const { return spec_; }

  // Runs the model on the tokens of the batch and stores what its layers remember of them in `memory`, one for each layer, whose kinds are
  // those of caches_of(spec()). What it returns and stores may be lazy: the caller evaluates. Returns the logits of batch.outputs,
  // (outputs, vocabulary) float32, or nothing if there are none. The last layer computes only those rows.
  std::optional<mlx::core::array> forward(ops::Batch batch, std::span<ops::LayerMemory> memory) const;
  // The same, but what it returns are the rows of which logits or embeddings are made, (outputs, dim).
  std::optional<mlx::core::array> hidden(ops::Batch batch, std::span<ops::LayerMemory> memory) const;
  // Embeddings, or scores, of pooled rows.  rows (n, dim), y (n, outputs of the last layer of spec().embedder)
  mlx::core::array embed(const mlx::core::array& rows) const;

 private:
  using Array = mlx::core::array;

  struct Norm {
    Array weight;
    std::optional<Array> bias;
  };
  struct AttentionLayer {
    Attention spec;
    ops::WeightPtr q, k, v, output;
    ops::WeightPtr gate;
    std::optional<Norm> q_norm, k_norm;
    std::optional<Array> v_norm;  // (value_dim), all 1
    std::optional<Array> sinks;
  };
  struct LatentAttentionLayer {
    LatentAttention spec;
    ops::WeightPtr q, q_latent, kv_latent, k, v, output;
    std::vector<ops::WeightPtr> absorbed_k, absorbed_v;  // of each head
    std::optional<Norm> q_norm, norm;
  };
  struct ShortConvolutionLayer {
    ops::WeightPtr input_gate, output_gate, input, output;
    Array convolution;  // (taps, dim)
  };
  struct LinearAttentionLayer {
    LinearAttention spec;
    ops::WeightPtr input, gate, steps, strengths, output;
    Array convolution;  // (taps, columns)
    std::optional<Array> convolution_bias;
    ops::ScanWeights scan;
    std::optional<Norm> norm;
    std::optional<Array> group;  // (columns of a group), all 1: the norm of each group by itself, before norm.weight
  };
  struct GatedMlpLayer {
    GatedMlp spec;
    ops::WeightPtr gate, up, down;
  };
  struct PlainMlpLayer {
    PlainMlp spec;
    ops::WeightPtr up, down;
  };
  struct ExpertsLayer {
    Experts spec;
    ops::WeightPtr router;
    ops::ExpertWeights weights;  // without the shared expert, if the others get weighed inputs
    GatedMlpLayer shared;        // which is this then
  };
  struct MlpAndExpertsLayer {
    GatedMlpLayer mlp;
    ExpertsLayer experts;
    Array router_scale;
    std::optional<Norm> mlp_norm_after, experts_norm, experts_norm_after;
  };
  // What a layer does with the streams of the residual.
  struct Streams {
    Norm router_norm;  // also divides by the width
    ops::WeightPtr router;
    Array predictions;  // (streams, streams · streams)
    Array corrections;  // (streams, streams)
    Array scale;        // (dim)
  };
  using Mix = std::variant<AttentionLayer, LatentAttentionLayer, ShortConvolutionLayer, LinearAttentionLayer, Absent>;
  using Part = std::variant<GatedMlpLayer, PlainMlpLayer, ExpertsLayer, MlpAndExpertsLayer, Absent>;
  struct Layer {
    bool beside = false, parallel = false;
    std::optional<Norm> mixer_norm, mlp_norm, norm_after_mixer, norm_after_mlp, mixer_sum_norm, mlp_sum_norm;
    Mix mixer;
    Part feed_forward;
    std::size_t memory = 0;  // the layer that stores what the mixer reads
    ops::WeightPtr input_gate, input_output;
    std::optional<Norm> norm_after_input;
    std::optional<Array> scale;
    ops::WeightPtr bypass_down, bypass_up;
    std::optional<Norm> bypass_norm;
    std::optional<Streams> streams;
  };

  struct DenseLayer {
    Dense spec;
    Array weight;  // (outputs, inputs)
    std::optional<Array> bias;
    std::optional<Norm> norm;
  };

  Transformer() = default;
  static DenseLayer read(WeightReader& reader, const Dense& spec, int number);
  static AttentionLayer read(WeightReader& reader, const Attention& spec, int layer);
  static LatentAttentionLayer read(WeightReader& reader, const LatentAttention& spec, int layer);
  static ShortConvolutionLayer read(WeightReader& reader, const ShortConvolution& spec, int layer);
  static LinearAttentionLayer read(WeightReader& reader, const LinearAttention& spec, int layer);
  static Absent read(WeightReader&, const Absent&, int) { return {}; }
  static GatedMlpLayer read(WeightReader& reader, const GatedMlp& spec, int layer);
  static PlainMlpLayer read(WeightReader& reader, const PlainMlp& spec, int layer);
  static ExpertsLayer read(WeightReader& reader, const Experts& spec, int layer);
  static MlpAndExpertsLayer read(WeightReader& reader, const MlpAndExperts& spec, int layer);
  static std::optional<Norm> read_norm(WeightReader& reader, Role role, int layer, float scale = 1);
  static std::optional<Streams> read_streams(WeightReader& reader, int layer, int count, int dim);
  Result<void> apply_rope_factors(WeightReader& reader, int context);

  std::optional<Array> hidden(const ops::Step& step, std::span<ops::LayerMemory> memory) const;
  // The embeddings of the step's tokens, with what their places add to them.  (T, dim)
  Array embeddings(const ops::Step& step) const;
  // What a mixer computes of x, before its output matrix: (T, width). Nothing if no row of it is wanted: then it only stores.
  std::optional<Array> mix(const AttentionLayer& layer, const Array& x, const ops::Step& step, ops::LayerMemory* memory, bool wanted) const;
  std::optional<Array> mix(const LatentAttentionLayer& layer, const Array& x, const ops::Step& step, ops::LayerMemory* memory,
                           bool wanted) const;
  std::optional<Array> mix(const Absent&, const Array& x, const ops::Step& step, ops::LayerMemory* memory, bool wanted) const;
  std::optional<Array> mix(const ShortConvolutionLayer& layer, const Array& x, const ops::Step& step, ops::LayerMemory* memory,
                           bool wanted) const;
  std::optional<Array> mix(const LinearAttentionLayer& layer, const Array& x, const ops::Step& step, ops::LayerMemory* memory,
                           bool wanted) const;
  // x and what a feed-forward part adds to it, which is computed of g and normalised before the sum if there is a norm for that.
  Array add(const GatedMlpLayer& layer, const Array& x, const Array& g, const std::optional<Norm>& norm, const ops::Step& step) const;
  Array add(const PlainMlpLayer& layer, const Array& x, const Array& g, const std::optional<Norm>& norm, const ops::Step& step) const;
  Array add(const ExpertsLayer& layer, const Array& x, const Array& g, const std::optional<Norm>& norm, const ops::Step& step) const;
  // The same of experts that get weighed inputs.
  Array add_weighed(const ExpertsLayer& layer, const Array& x, const Array& g, const Array& scores, const ops::Step& step) const;
  Array add(const MlpAndExpertsLayer& layer, const Array& x, const Array& g, const std::optional<Norm>& norm, const ops::Step& step) const;
  Array add(const Absent&, const Array& x, const Array& g, const std::optional<Norm>& norm, const ops::Step& step) const;
  // The inputs of all layers for the tokens of the step, whose embeddings are x.  (T, layers · inputs)
  Array layer_inputs(const Array& x, const ops::Step& step) const;
  // What a layer makes of x and its input, before the matrix through which that is added.  (T, inputs)
  Array gated_input(const Layer& layer, const Array& x, const Array& input, const ops::Step& step) const;
  // x and what a layer adds to it of its input, (T, inputs).
  Array add_input(const Layer& layer, const Array& x, const Array& input, const ops::Step& step) const;
  // The sum of x and of what the bypass makes of h, on the scale of one of them.
  Array add_bypass(const Layer& layer, const Array& x, const Array& h, const ops::Step& step) const;
  // The streams of embeddings, (T, streams · dim), and what becomes of them in the end, (T, dim).
  Array streams_of(const Array& x, const ops::Step& step) const;
  Array merged(const Array& streams, const ops::Step& step) const;
  // The streams that a layer predicts, and those that it corrects once the first of them has become x.
  Array predicted(const Layer& layer, const Array& streams, const ops::Step& step) const;
  Array corrected(const Layer& layer, const Array& streams, const Array& x, const std::optional<Array>& input, const ops::Step& step) const;
  // How much a layer mixes of each stream where the first is x.  (T, streams)
  Array shares_of_streams(const Layer& layer, const Array& x, const ops::Step& step) const;
  // The matrix through which what a mixer computes is added to x. Null if there is no mixer.
  static const ops::WeightPtr& output_of(const Mix& mixer);
  // x + y · wᵀ, which is normalised before the sum if there is a norm for that.
  Array add_product(const Array& x, const Array& y, const ops::Weight& w, const std::optional<Norm>& norm, const ops::Step& step) const;
  // Without a norm: x.
  Array normalised(const Array& x, const std::optional<Norm>& norm, const std::optional<Array>& residual = {}) const;
  // The same within a part of a layer, where each piece of `width` values is normalised by itself; 0: the whole row.
  Array normalised_within(const Array& x, const std::optional<Norm>& norm, int width) const;

  ModelSpec spec_;
  ops::StepShape step_shape_;
  std::shared_ptr<const ops::Ops> ops_;
  std::vector<Layer> layers_;
  ops::WeightPtr embeddings_;
  ops::WeightPtr head_;  // the embeddings, in many models
  std::optional<Norm> final_norm_;
  std::optional<Array> positions_, token_types_;  // (rows, dim)
  std::optional<Norm> embedding_norm_;
  std::vector<DenseLayer> embedder_;
  ops::WeightPtr input_table_, input_projection_;
  std::optional<Norm> input_norm_;
  std::vector<ops::WeightPtr> streams_in_, streams_out_;  // of each stream but the first
};

}  // namespace mlxr::models
