#include "core/models/tensors.h"

#include <unordered_map>

#include "core/formats/printable.h"

namespace mlxr::models {
namespace {

std::string text(const std::vector<std::int64_t>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

}  // namespace

bool is_harmless(std::string_view name) { return name.starts_with("blk.") && name.ends_with(".attn_rot_embd.weight"); }

std::vector<TensorRole> tensors_of(const Config& c) {
  const std::int64_t q_dim = std::int64_t{c.heads} * c.head_dim, kv_dim = std::int64_t{c.kv_heads} * c.head_dim;
  std::vector<TensorRole> roles;
  const auto vector = [&](const std::string& stem, std::int64_t n) { roles.push_back({stem + ".weight", {n}}); };
  const auto matrix = [&](const std::string& stem, std::int64_t n, std::int64_t k) {
    roles.push_back({stem + ".weight", {n, k}});
    roles.push_back({stem + ".bias", {n}, false});
  };
  roles.push_back({"token_embd.weight", {c.vocabulary, c.dim}});
  roles.push_back({"output.weight", {c.vocabulary, c.dim}, false});
  roles.push_back({"output.bias", {c.vocabulary}, false});
  if (c.rope_factors) roles.push_back({"rope_freqs.weight", {c.head_dim / 2}, false});
  vector("output_norm", c.dim);
  for (int i = 0; i < c.layers; ++i) {
    const std::string p = "blk." + std::to_string(i) + ".";
    vector(p + "attn_norm", c.dim);
    vector(p + "ffn_norm", c.dim);
    if (c.head_norms) {
      vector(p + "attn_q_norm", c.head_dim);
      vector(p + "attn_k_norm", c.head_dim);
    }
    if (c.post_norms) {
      vector(p + "post_attention_norm", c.dim);
      vector(p + "post_ffw_norm", c.dim);
    }
    matrix(p + "attn_q", q_dim, c.dim);
    matrix(p + "attn_k", kv_dim, c.dim);
    matrix(p + "attn_v", kv_dim, c.dim);
    matrix(p + "attn_output", c.dim, q_dim);
    matrix(p + "ffn_gate", c.hidden, c.dim);
    matrix(p + "ffn_up", c.hidden, c.dim);
    matrix(p + "ffn_down", c.dim, c.hidden);
  }
  return roles;
}

Result<void> check_tensors(const Config& config, std::span<const formats::Tensor> tensors) {
  const auto roles = tensors_of(config);
  std::unordered_map<std::string_view, const TensorRole*> missing;
  for (const auto& role : roles) missing.emplace(role.name, &role);
  for (const auto& tensor : tensors) {
    const auto found = missing.find(tensor.name);
    if (found == missing.end()) {
      if (is_harmless(tensor.name)) continue;
      return fail(ErrorCode::kUnsupported, "MLXR does not know the tensor " + formats::printable(tensor.name) +
                                               " in models of architecture " + config.architecture + ", so it does not run the model.");
    }
    if (tensor.shape != found->second->shape) {
      return fail(ErrorCode::kCorrupt, "Tensor " + found->second->name + " has the shape " + text(tensor.shape) +
                                           "; the model's description asks for " + text(found->second->shape) + ".");
    }
    missing.erase(found);
  }
  if (missing.contains("output.weight") && !missing.contains("output.bias"))
    return fail(ErrorCode::kUnsupported, "MLXR cannot run models whose output.bias comes without output.weight.");
  for (const auto& role : roles) {
    if (role.required && missing.contains(role.name)) return fail(ErrorCode::kCorrupt, "The model has no tensor " + role.name + ".");
  }
  return {};
}

}  // namespace mlxr::models
