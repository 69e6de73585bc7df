#include "core/models/latent_layers.h"

#include <cmath>
#include <string>

namespace mlxr::models {

LatentAttention read_latent_attention(KeyReader& read, const TensorNames& tensors, int heads, ops::Rope& rope) {
  LatentAttention a{.heads = heads, .absorbed = tensors.contains("blk.0.attn_k_b.weight")};
  a.latent = read.integer("attention.kv_lora_rank", {}, 1, 1 << 14);
  a.query_latent = read.integer("attention.q_lora_rank", 0, 0, 1 << 16);
  a.rotated = 2 * static_cast<int>(rope.frequencies.size());
  // Absorbed, the keys of the cache have another width than those of the model, which has keys of its own in the file.
  const int width = read.integer(a.absorbed ? "attention.key_length_mla" : "attention.key_length", {}, a.rotated + 1, 1024);
  a.value_dim = read.integer(a.absorbed ? "attention.value_length_mla" : "attention.value_length", {}, 1, 1024);
  a.key_dim = width - a.rotated;
  // YaRN's temperature is that of the whole scores here (DeepSeek-V2 report, 2024), and not of the rotated part.
  double temperature = 1;
  const double weight = read.number("rope.scaling.yarn_log_multiplier", 0, 0, 100), factor = read.number("rope.scaling.factor", 1, 0, 1e6);
  if (weight > 0 && factor > 1) {
    temperature = 1 + weight * std::log(factor);
    rope.magnitude = 1;
  }
  a.scale = static_cast<float>(temperature * temperature / std::sqrt(static_cast<double>(width)));
  return a;
}

}  // namespace mlxr::models
