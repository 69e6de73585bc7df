// Ops as plain MLX expressions. They define the result of every operation, and run on MLX's default device where there is no kernel for
// it.
#pragma once

#include "core/ops/ops.h"

namespace mlxr::ops {

class MlxOps : public Ops {
 public:
  std::uint64_t panel_bytes(const formats::Tensor&) const override;
  std::uint64_t weight_bytes(const formats::Tensor& tensor) const override;
  std::string panel_layout() const override;
  Result<Weight> prepare(const formats::Tensor& tensor, Panels&) const override;
  mx::array embed(const BatchPtr& batch, const Weight& table, float scale) const override;
  mx::array output_rows(const mx::array& x, const BatchPtr& batch) const override;
  mx::array q_gemm(const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override;
  std::vector<mx::array> q_gemm(const mx::array& x, const std::vector<const Weight*>& weights) const override;
  mx::array gated_mlp(const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override;
  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override;
  mx::array rope(const mx::array& x, const BatchPtr& batch, const RopeOptions& options) const override;
  std::uint64_t cache_bytes(const CacheShape& shape) const override;
  LayerCache make_cache(const CacheShape& shape) const override;
  void kv_store(LayerCache& cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const override;
  bool computes_at_once() const override { return false; }
  void for_each(int count, const std::function<void(int)>& work) const override;
  mx::array attention(const mx::array& q, const LayerCache& cache, const BatchPtr& batch, const AttentionOptions& options) const override;
};

}  // namespace mlxr::ops
