// Ops that another implementation computes, except for what a subclass overrides: the kernels of a pack that has only some of them.
#pragma once

#include <utility>

#include "core/ops/ops.h"

namespace mlxr::ops {

class ForwardingOps : public Ops {
 public:
  explicit ForwardingOps(std::shared_ptr<const Ops> to) : to_(std::move(to)) {}

  mx::Dtype activation_type() const override { return to_->activation_type(); }
  std::uint64_t panel_bytes(const formats::Tensor& tensor) const override { return to_->panel_bytes(tensor); }
  std::uint64_t weight_bytes(const formats::Tensor& tensor) const override { return to_->weight_bytes(tensor); }
  std::optional<quant::Type> converted_type(const formats::Tensor& tensor) const override { return to_->converted_type(tensor); }
  std::string panel_layout() const override { return to_->panel_layout(); }
  Result<WeightPtr> prepare(const formats::Tensor& tensor, std::span<const float> bias, Panels& panels) const override {
    return to_->prepare(tensor, bias, panels);
  }
  std::unique_ptr<const Step> begin(Batch batch, const StepShape& shape) const override { return to_->begin(std::move(batch), shape); }
  mx::array embed(const Step& step, const Weight& table, float scale) const override { return to_->embed(step, table, scale); }
  mx::array output_rows(const Step& step, const mx::array& x) const override { return to_->output_rows(step, x); }
  mx::array q_gemm(const Step& step, const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override {
    return to_->q_gemm(step, x, w, residual);
  }
  std::vector<mx::array> q_gemm(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights) const override {
    return to_->q_gemm(step, x, weights);
  }
  mx::array gated_mlp(const Step& step, const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override {
    return to_->gated_mlp(step, x, gate, up, activation);
  }
  mx::array experts(const mx::array& x, const mx::array& scores, const ExpertWeights& weights, const Routing& routing,
                    Activation activation, const std::optional<mx::array>& residual) const override {
    return to_->experts(x, scores, weights, routing, activation, residual);
  }
  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override {
    return to_->rms_norm(x, weight, eps, residual);
  }
  mx::array layer_norm(const mx::array& x, int d, const mx::array& weight, const std::optional<mx::array>& bias, float eps,
                       const std::optional<mx::array>& residual) const override {
    return to_->layer_norm(x, d, weight, bias, eps, residual);
  }
  mx::array activate(const mx::array& x, Activation activation, const std::optional<mx::array>& times) const override {
    return to_->activate(x, activation, times);
  }
  mx::array softcap(const mx::array& x, float cap) const override { return to_->softcap(x, cap); }
  mx::array rope(const Step& step, const mx::array& x, int rope, int head_dim) const override { return to_->rope(step, x, rope, head_dim); }
  std::uint64_t cache_bytes(const CacheShape& shape) const override { return to_->cache_bytes(shape); }
  LayerCache make_cache(const CacheShape& shape) const override { return to_->make_cache(shape); }
  void kv_store(const Step& step, LayerCache& cache, const mx::array& k, const mx::array& v) const override {
    to_->kv_store(step, cache, k, v);
  }
  mx::array attention(const Step& step, const mx::array& q, const LayerCache& cache, const AttentionOptions& options) const override {
    return to_->attention(step, q, cache, options);
  }
  mx::array convolve(const Step& step, LayerState& state, const mx::array& x, const mx::array& weight,
                     const std::optional<mx::array>& bias) const override {
    return to_->convolve(step, state, x, weight, bias);
  }
  mx::array scan(const Step& step, LayerState& state, const mx::array& x, const mx::array& steps, const std::optional<mx::array>& strengths,
                 const ScanShape& shape, const ScanWeights& weights) const override {
    return to_->scan(step, state, x, steps, strengths, shape, weights);
  }
  std::string cache_layout() const override { return to_->cache_layout(); }
  void export_block(const LayerCache& cache, int block, std::span<std::byte> bytes) const override {
    to_->export_block(cache, block, bytes);
  }
  void import_block(LayerCache& cache, int block, std::span<const std::byte> bytes) const override {
    to_->import_block(cache, block, bytes);
  }
  bool computes_at_once() const override { return to_->computes_at_once(); }
  void for_each(int count, const std::function<void(int)>& work) const override { to_->for_each(count, work); }

 private:
  const std::shared_ptr<const Ops> to_;
};

}  // namespace mlxr::ops
