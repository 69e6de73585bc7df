// The hot operations, as functions on mx::array. There are several implementations, which must agree: MlxOps (plain MLX expressions: always
// there, the definition), PackOps (the kernels of the CPU pack) and MetalOps (those of the Metal pack).
//
//   auto ops  = ops::make_mlx_ops();
//   auto w    = ops->prepare(tensor, bias, panels).value();
//   auto step = ops->begin(batch, shape);
//   auto y    = ops->q_gemm(*step, x, *w);     // may be lazy, like every mx::array: PackOps computes at once
//
// Activations are matrices with one row per token, of activation_type(). Shapes: T tokens, H heads, G KV heads, D width of a key, E width
// of a value. A weight, a step and a cache belong to the implementation that made them.
#pragma once

#include <mlx/array.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/ops/cache.h"
#include "core/ops/panels.h"
#include "core/ops/routing.h"
#include "core/ops/scan.h"
#include "core/ops/state.h"
#include "core/ops/step.h"
#include "core/ops/weight.h"

namespace mlxr::ops {

namespace mx = mlx::core;

class KernelPack;

enum class Activation {
  kSilu,
  kGeluTanh,
  kSigmoid,
  kNone,           // of x: x
  kSquaredRelu,    // of x: max(x, 0)² (So et al. 2021)
  kGelu,           // of x: x · Φ(x), the normal distribution's (Hendrycks and Gimpel 2016); kGeluTanh approximates it
  kClampedSwiglu,  // of a gate g and what it multiplies, u: min(g, 7) · sigmoid(1.702 · min(g, 7)) · (clamp(u, -7, 7) + 1) (gpt-oss, 2025)
};

struct AttentionOptions {
  float scale = 1;    // softmax(scale · q kᵀ) v
  float softcap = 0;  // scores become softcap · tanh(score / softcap) (Gemma 2 report, 2024); 0: they do not
  // (H) float32: one more score of each head, which has no value (gpt-oss model card, 2025); none: there is no such score
  std::optional<mx::array> sinks;
};

class Ops {
 public:
  virtual ~Ops() = default;

  virtual mx::Dtype activation_type() const = 0;

  // Bytes of panels that prepare() needs for a tensor, a multiple of 64; 0 for a tensor that is not a matrix.
  virtual std::uint64_t panel_bytes(const formats::Tensor& tensor) const = 0;
  // Bytes of memory that a tensor takes once it is prepared, panels included.
  virtual std::uint64_t weight_bytes(const formats::Tensor& tensor) const = 0;
  // The type to which prepare() converts a tensor because there are no kernels for its own; nothing if it is not converted.
  virtual std::optional<quant::Type> converted_type(const formats::Tensor& tensor) const = 0;
  // Name of the panels' layout. Panels that were kept on disk may be used again only under the same name.
  virtual std::string panel_layout() const = 0;
  // Makes the weight of a matrix with its bias, (n) or empty. The weight keeps its panels alive; they are filled unless they are cached.
  // Errors: kUnsupported (the implementation cannot run this type, by name); those of Panels::write.
  virtual Result<WeightPtr> prepare(const formats::Tensor& tensor, std::span<const float> bias, Panels& panels) const = 0;

  // Begins a step. All pages and slots of the batch are blocks of the caches that the step's operations are given.
  virtual std::unique_ptr<const Step> begin(Batch batch, const StepShape& shape) const = 0;

  // Rows of a table: y[t] = scale · table[tokens[t]].  (T, k). A bias of the table is not used.
  virtual mx::array embed(const Step& step, const Weight& table, float scale) const = 0;
  // The rows whose logits are wanted.  x (T, n), y (outputs, n)
  virtual mx::array output_rows(const Step& step, const mx::array& x) const = 0;

  // In the products, x may also have the rows of output_rows() alone. Rows of sequences with an adapter get what it adds to each matrix.
  //
  // y = x · wᵀ + bias + residual.  x (T, k), residual (T, n), y (T, n)
  virtual mx::array q_gemm(const Step& step, const mx::array& x, const Weight& w, const std::optional<mx::array>& residual = {}) const = 0;
  // The same for one to four matrices that share x, without residual.
  virtual std::vector<mx::array> q_gemm(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights) const = 0;
  // y = act(x · gateᵀ + bias of gate) * (x · upᵀ + bias of up).  (T, n)
  virtual mx::array gated_mlp(const Step& step, const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const = 0;

  // A mixture of experts: y = residual + Σ weight · down(act(gate(x)) · up(x)), over the experts of each token and the shared one.
  // x (T, k), scores (T, experts), residual and y (T, n). Adapters change no experts.
  virtual mx::array experts(const mx::array& x, const mx::array& scores, const ExpertWeights& weights, const Routing& routing,
                            Activation activation, const std::optional<mx::array>& residual = {}) const = 0;

  // y = x / sqrt(mean(x²) + eps) · weight + residual (Zhang and Sennrich 2019), the mean over each piece of d values.
  // x (T, H · d), weight (d), residual and y (T, H · d)
  virtual mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps,
                             const std::optional<mx::array>& residual = {}) const = 0;
  // y = (x - mean) / sqrt(variance + eps) · weight + bias + residual (Ba et al. 2016), mean and variance of each piece of d values.
  // x (T, P · d), residual and y too; weight and bias (d) for all pieces, or (P · d)
  virtual mx::array layer_norm(const mx::array& x, int d, const mx::array& weight, const std::optional<mx::array>& bias, float eps,
                               const std::optional<mx::array>& residual = {}) const = 0;
  // y = act(x) · times, and y = cap · tanh(x / cap).  (T, n)
  virtual mx::array activate(const mx::array& x, Activation activation, const std::optional<mx::array>& times = {}) const = 0;
  virtual mx::array softcap(const mx::array& x, float cap) const = 0;
  // Rotates the heads of x by a rope of the step.  x (T, H · D) for heads of `head_dim` = D values
  virtual mx::array rope(const Step& step, const mx::array& x, int rope, int head_dim) const = 0;

  // Bytes of a cache of this shape; 0 if the implementation has no cache of this type or for heads of this size.
  virtual std::uint64_t cache_bytes(const CacheShape& shape) const = 0;
  // An empty cache, of a shape for which cache_bytes is not 0. It takes address space only, until something is stored in it.
  virtual LayerCache make_cache(const CacheShape& shape) const = 0;
  // Writes the keys and values of the batch to their slots.  k (T, G · D), v (T, G · E)
  virtual void kv_store(const Step& step, LayerCache& cache, const mx::array& k, const mx::array& v) const = 0;
  // Grouped-query attention of each sequence over its pages, in the window of the cache's kind.  q (T, H · D), y (T, H · E)
  virtual mx::array attention(const Step& step, const mx::array& q, const LayerCache& cache, const AttentionOptions& options) const = 0;

  // Causal convolution of each column, along the tokens of a sequence: y[t] = Σ weight[·, j] · x[t - taps + 1 + j] + bias.
  // Goes on with the inputs of the sequence's state, and stores its last ones.  x and y (T, C), weight (taps, C), bias (C)
  virtual mx::array convolve(const Step& step, LayerState& state, const mx::array& x, const mx::array& weight,
                             const std::optional<mx::array>& bias) const = 0;
  // The recurrence of scan.h, over the tokens of each sequence. Goes on with the matrices of the sequence's state, and stores what becomes
  // of them. With strengths it is the gated delta rule, else that of Mamba 2. x (T, ·) holds q (key heads · D), k (key heads · D) and v (H
  // · E); steps and strengths (T, H); y (T, H · E)
  virtual mx::array scan(const Step& step, LayerState& state, const mx::array& x, const mx::array& steps,
                         const std::optional<mx::array>& strengths, const ScanShape& shape, const ScanWeights& weights) const = 0;

  // Name of the layout of keys and values in a block. A block's bytes may be imported only under the name they were exported under.
  virtual std::string cache_layout() const = 0;
  // Copies the bytes of one block, which has been evaluated, out of a cache and back.  (cache_bytes of a shape with one block)
  virtual void export_block(const LayerCache& cache, int block, std::span<std::byte> bytes) const = 0;
  virtual void import_block(LayerCache& cache, int block, std::span<const std::byte> bytes) const = 0;

  // True when operations have computed their results by the time they return; false when results are evaluated later, so that a failure
  // then leaves the caches of the step unknown.
  virtual bool computes_at_once() const = 0;
  // Calls work(i) for each i in [0, count), on the threads that operations use. `work` must not throw.
  virtual void for_each(int count, const std::function<void(int)>& work) const = 0;
};

std::unique_ptr<const Ops> make_mlx_ops();
std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack);

}  // namespace mlxr::ops
