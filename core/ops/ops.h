// The hot operations, as functions on mx::array. Two implementations that must agree: MlxOps (plain MLX expressions: always there, the
// definition) and PackOps (the kernels of the CPU pack).
//
//   auto ops = ops::make_mlx_ops();
//   auto w   = ops->prepare(tensor, panels);
//   auto y   = ops->q_gemm(x, w);              // may be lazy, like every mx::array: PackOps computes at once
//
// Activations are float32 matrices with one row per token. Shapes: T tokens, H heads, G KV heads, D head_dim, B blocks of S tokens.
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
#include "core/ops/batch.h"
#include "core/ops/panels.h"
#include "core/ops/weight.h"

namespace mlxr::ops {

class KernelPack;

enum class Activation { kSilu, kGeluTanh };

struct CacheShape {
  quant::Type type = quant::Type::kF16;  // or kQ8_0
  int blocks = 0, kv_heads = 0, block_tokens = 0, head_dim = 0;
};

// One layer's part of the paged arena. The layout of keys and values in it is up to the implementation.
struct LayerCache {
  CacheShape shape;
  mx::array k, v;
};

struct RopeOptions {
  std::shared_ptr<const std::vector<float>> frequencies;  // (D / 2) radians per position
  bool interleaved = false;                               // pair i is (2i, 2i + 1), else (i, i + D / 2)
};

struct AttentionOptions {
  float scale = 1;  // softmax(scale · q kᵀ) v
  int window = 0;   // a position sees itself and the window - 1 before it; 0: all before it
};

class Ops {
 public:
  virtual ~Ops() = default;

  // Bytes of panels that prepare() needs for a tensor, a multiple of 64; 0 for a tensor that is not a matrix.
  virtual std::uint64_t panel_bytes(const formats::Tensor& tensor) const = 0;
  // Bytes of memory that a tensor takes once it is prepared, panels included.
  virtual std::uint64_t weight_bytes(const formats::Tensor& tensor) const = 0;
  // The type to which prepare() converts a tensor because there are no kernels for its own; nothing if it is not converted.
  virtual std::optional<quant::Type> converted_type(const formats::Tensor&) const { return std::nullopt; }
  // Name of the panels' layout. Panels that were kept on disk may be used again only under the same name.
  virtual std::string panel_layout() const = 0;
  // Makes a tensor's weight for q_gemm, gated_mlp and embed. The weight keeps its panels alive; they are filled unless they are cached.
  // Errors: kUnsupported (the implementation cannot run this type, by name); those of Panels::append.
  virtual Result<Weight> prepare(const formats::Tensor& tensor, Panels& panels) const = 0;

  // Rows of a table: y[t] = scale · table[tokens[t]].  (T, k). A bias of the table is not used.
  virtual mx::array embed(const BatchPtr& batch, const Weight& table, float scale) const = 0;

  // The rows whose logits are wanted.  x (T, n), y (outputs, n)
  virtual mx::array output_rows(const mx::array& x, const BatchPtr& batch) const = 0;

  // y = x · wᵀ + bias + residual.  x (T, k), residual (T, n), y (T, n)
  virtual mx::array q_gemm(const mx::array& x, const Weight& w, const std::optional<mx::array>& residual = {}) const = 0;
  // The same for two to four matrices that share x, without residual.
  virtual std::vector<mx::array> q_gemm(const mx::array& x, const std::vector<const Weight*>& weights) const = 0;

  // y = act(x · gateᵀ + bias of gate) * (x · upᵀ + bias of up).  (T, n)
  virtual mx::array gated_mlp(const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const = 0;

  // y = x / sqrt(mean(x²) + eps) · weight + residual (Zhang and Sennrich 2019), the mean over each piece of d values.
  // x (T, H · d), weight (d), residual and y (T, H · d)
  virtual mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps,
                             const std::optional<mx::array>& residual = {}) const = 0;

  // Rotary position embedding (Su et al. 2021).  x (T, H · D)
  virtual mx::array rope(const mx::array& x, const BatchPtr& batch, const RopeOptions& options) const = 0;

  // Bytes of a cache of this shape; 0 if the implementation has no cache of this type or for heads of this size.
  virtual std::uint64_t cache_bytes(const CacheShape& shape) const = 0;
  // An empty cache, of a shape for which cache_bytes is not 0. It takes address space only, until something is stored in it.
  virtual LayerCache make_cache(const CacheShape& shape) const = 0;

  // Writes the keys and values of the batch to their slots.  k, v (T, G · D)
  virtual void kv_store(LayerCache& cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const = 0;
  // True when operations have computed their results by the time they return; false when results are evaluated later, so that a failure
  // then leaves the caches of the step unknown.
  virtual bool computes_at_once() const = 0;

  // Calls work(i) for each i in [0, count), on the threads that operations use. `work` must not throw.
  virtual void for_each(int count, const std::function<void(int)>& work) const = 0;

  // Causal grouped-query attention of each sequence over its pages.  q, y (T, H · D)
  virtual mx::array attention(const mx::array& q, const LayerCache& cache, const BatchPtr& batch,
                              const AttentionOptions& options) const = 0;
};

std::unique_ptr<const Ops> make_mlx_ops();
std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack);

}  // namespace mlxr::ops
