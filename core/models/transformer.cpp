#include "core/models/transformer.h"

#include "core/models/tensors.h"
#include "core/models/weight_reader.h"

namespace mlxr::models {

namespace mx = mlx::core;

Result<std::unique_ptr<const Transformer>> Transformer::load(const formats::Checkpoint& file, std::shared_ptr<const ops::Ops> ops,
                                                             ops::Panels& panels, const std::atomic<bool>* cancelled) {
  auto config = read_config(file.metadata(), file.tensors());
  if (!config) return fail(config.error());
  if (auto known = check_tensors(*config, file.tensors()); !known) return fail(known.error());
  if (auto scaled = apply_rope_factors(*config, file); !scaled) return fail(scaled.error());
  const Config& c = *config;
  const int q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;

  std::unique_ptr<Transformer> model(new Transformer);
  WeightReader read(file, *ops, panels, cancelled);
  model->embeddings_ = read.matrix("token_embd", c.vocabulary, c.dim);
  if (read.has("output.weight")) model->head_ = read.matrix("output", c.vocabulary, c.dim);
  model->final_norm_ = read.vector("output_norm.weight", c.dim);
  for (int i = 0; i < c.layers && !read.error(); ++i) {
    const std::string p = "blk." + std::to_string(i) + ".";
    model->layers_.push_back(Layer{
        .attention_norm = read.vector(p + "attn_norm.weight", c.dim),
        .mlp_norm = read.vector(p + "ffn_norm.weight", c.dim),
        .q_norm = read.optional_vector(p + "attn_q_norm.weight", c.head_dim),
        .k_norm = read.optional_vector(p + "attn_k_norm.weight", c.head_dim),
        .post_attention_norm = read.optional_vector(p + "post_attention_norm.weight", c.dim),
        .post_mlp_norm = read.optional_vector(p + "post_ffw_norm.weight", c.dim),
        .q = read.matrix(p + "attn_q", q_dim, c.dim),
        .k = read.matrix(p + "attn_k", kv_dim, c.dim),
        .v = read.matrix(p + "attn_v", kv_dim, c.dim),
        .o = read.matrix(p + "attn_output", c.dim, q_dim),
        .gate = read.matrix(p + "ffn_gate", c.hidden, c.dim),
        .up = read.matrix(p + "ffn_up", c.hidden, c.dim),
        .down = read.matrix(p + "ffn_down", c.dim, c.hidden),
    });
  }
  if (auto all = read.finish(); !all) return fail(all.error());
  model->config_ = std::move(*config);
  model->ops_ = std::move(ops);
  return model;
}

std::optional<mx::array> Transformer::forward(const ops::BatchPtr& batch, std::span<ops::LayerCache> caches) const {
  auto x = ops_->embed(batch, *embeddings_, config_.embed_scale);  // (T, dim)
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& w = layers_[i];
    const bool local = config_.is_local(i), last = i + 1 == config_.layers;
    const auto q = project(w, local, x, batch, caches[i]);
    if (last && batch->outputs.empty()) return std::nullopt;
    auto y = ops_->attention(q, caches[i], batch, {config_.attention_scale, local ? config_.window : 0});
    if (last && batch->outputs.size() != batch->tokens.size()) {
      x = ops_->output_rows(x, batch);  // (outputs, dim)
      y = ops_->output_rows(y, batch);
    }
    x = mlp(w, add_projection(x, y, w.o, w.post_attention_norm));
  }
  return ops_->q_gemm(ops_->rms_norm(x, *final_norm_, config_.norm_eps), head_ ? *head_ : *embeddings_);
}

mx::array Transformer::project(const Layer& w, bool local, const mx::array& x, const ops::BatchPtr& batch, ops::LayerCache& cache) const {
  const ops::RopeOptions rope{local ? config_.rope_local : config_.rope_global, config_.rope_interleaved};
  const auto qkv = ops_->q_gemm(ops_->rms_norm(x, w.attention_norm, config_.norm_eps), {&w.q, &w.k, &w.v});
  auto q = qkv[0], k = qkv[1];  // (T, heads · head_dim), (T, kv_heads · head_dim)
  if (w.q_norm) q = ops_->rms_norm(q, *w.q_norm, config_.norm_eps);
  if (w.k_norm) k = ops_->rms_norm(k, *w.k_norm, config_.norm_eps);
  ops_->kv_store(cache, ops_->rope(k, batch, rope), qkv[2], batch);
  return ops_->rope(q, batch, rope);
}

mx::array Transformer::mlp(const Layer& w, const mx::array& x) const {
  const auto h = ops_->gated_mlp(ops_->rms_norm(x, w.mlp_norm, config_.norm_eps), w.gate, w.up, config_.activation);
  return add_projection(x, h, w.down, w.post_mlp_norm);
}

mx::array Transformer::add_projection(const mx::array& x, const mx::array& y, const ops::Weight& w,
                                      const std::optional<mx::array>& norm) const {
  if (!norm) return ops_->q_gemm(y, w, x);
  return ops_->rms_norm(ops_->q_gemm(y, w), *norm, config_.norm_eps, x);
}

}  // namespace mlxr::models
