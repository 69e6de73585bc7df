// Ops as plain MLX expressions. They define the result of every operation, and run on MLX's default device where there is no kernel for
// it. They are kept slow and obvious: nothing is built on them that is not compared with them.
#pragma once

#include "core/ops/ops.h"

namespace mlxr::ops {

class MlxOps final : public Ops {
 public:
  mx::Dtype activation_type() const override { return mx::float32; }
  std::uint64_t panel_bytes(const formats::Tensor&) const override { return 0; }
  std::uint64_t weight_bytes(const formats::Tensor& tensor) const override;
  std::optional<quant::Type> converted_type(const formats::Tensor&) const override { return std::nullopt; }
  std::string panel_layout() const override { return {}; }
  Result<WeightPtr> prepare(const formats::Tensor& tensor, std::span<const float> bias, Panels& panels) const override;
  std::unique_ptr<const Step> begin(Batch batch, const StepShape& shape) const override;
  mx::array embed(const Step& step, const Weight& table, float scale) const override;
  mx::array output_rows(const Step& step, const mx::array& x) const override;
  mx::array q_gemm(const Step& step, const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override;
  std::vector<mx::array> q_gemm(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights) const override;
  mx::array gated_mlp(const Step& step, const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override;
  mx::array experts(const mx::array& x, const mx::array& scores, const ExpertWeights& weights, const Routing& routing,
                    Activation activation, const std::optional<mx::array>& residual) const override;
  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override;
  mx::array layer_norm(const mx::array& x, int d, const mx::array& weight, const std::optional<mx::array>& bias, float eps,
                       const std::optional<mx::array>& residual) const override;
  mx::array activate(const mx::array& x, Activation activation, const std::optional<mx::array>& times) const override;
  mx::array softcap(const mx::array& x, float cap) const override;
  mx::array rope(const Step& step, const mx::array& x, int rope, int head_dim) const override;
  std::uint64_t cache_bytes(const CacheShape& shape) const override;
  LayerCache make_cache(const CacheShape& shape) const override;
  void kv_store(const Step& step, LayerCache& cache, const mx::array& k, const mx::array& v) const override;
  mx::array attention(const Step& step, const mx::array& q, const LayerCache& cache, const AttentionOptions& options) const override;
  mx::array convolve(const Step& step, LayerState& state, const mx::array& x, const mx::array& weight,
                     const std::optional<mx::array>& bias) const override;
  mx::array scan(const Step& step, LayerState& state, const mx::array& x, const mx::array& steps, const std::optional<mx::array>& strengths,
                 const ScanShape& shape, const ScanWeights& weights) const override;
  std::string cache_layout() const override { return "mlx"; }
  void export_block(const LayerCache& cache, int block, std::span<std::byte> bytes) const override;
  void import_block(LayerCache& cache, int block, std::span<const std::byte> bytes) const override;
  bool computes_at_once() const override { return false; }
  void for_each(int count, const std::function<void(int)>& work) const override;
};

}  // namespace mlxr::ops
