#include "core/models/attention_layers.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/models/ropes.h"

namespace mlxr::models {
namespace {

// The window of each layer, in tokens. In the file, the pattern is absent, a period, or one boolean for each layer.
std::vector<int> read_windows(KeyReader& read, const Family& family, bool two_sided, int layers) {
  std::vector<int> windows(static_cast<std::size_t>(layers));
  if (family.global_every == 1) return windows;
  int window = read.integer("attention.sliding_window", family.default_window, family.default_window == 0 ? 0 : 1, 1 << 26);
  if (two_sided && window > 0) window = window / 2 + 1;  // half of it lies before the token
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  const auto* pattern = read.find(kPattern);
  if (const auto* local = pattern ? std::get_if<std::vector<bool>>(pattern) : nullptr) {
    if (local->size() != windows.size()) read.note(ErrorCode::kCorrupt, kPattern, "not one boolean for each layer");
    for (std::size_t i = 0; i < std::min(local->size(), windows.size()); ++i) windows[i] = (*local)[i] ? window : 0;
    return windows;
  }
  const int period = read.integer(kPattern, family.global_every, 1, 1024), global = family.global_first ? 0 : period - 1;
  for (int i = 0; i < layers; ++i) windows[static_cast<std::size_t>(i)] = i % period == global ? 0 : window;
  return windows;
}

// Which of its layers know positions.
std::vector<bool> with_rope(KeyReader& read, const Family& family, const std::vector<int>& windows) {
  // Granite's files say by a key of RoPE scaling whether positions are rotated at all.
  if (family.no_rope == NoRope::kWhereTheFileSaysSo) return std::vector<bool>(windows.size(), read.boolean("rope.scaling.finetuned", true));
  std::vector<bool> with(windows.size(), true);
  const bool any_window = std::ranges::any_of(windows, [](int window) { return window > 0; });
  for (std::size_t i = 0; i < with.size(); ++i) {
    if (family.no_rope == NoRope::kAlways) with[i] = false;
    if (family.no_rope == NoRope::kEveryFourth) with[i] = (i + 1) % 4 != 0;
    if (family.no_rope == NoRope::kWhereWindowsAreAbsent && any_window) with[i] = windows[i] > 0;
  }
  return with;
}

// Adds a rope whose magnitude grows, if attention has a temperature that does; the index of the rope for queries.
std::optional<int> read_temperature(KeyReader& read, std::vector<ops::Rope>& ropes, int key_dim) {
  const double growth = read.number("attention.temperature_scale", 0, 0, 100);
  if (growth == 0) return std::nullopt;
  const int tokens = original_context(read);
  if (tokens == 0) read.note(ErrorCode::kCorrupt, "rope.scaling.original_context_length", "missing");
  if (std::cmp_not_equal(2 * ropes[0].frequencies.size(), key_dim))
    read.note(ErrorCode::kUnsupported, "attention.temperature_scale", "there, and heads are not rotated as a whole");
  auto& rope = ropes.emplace_back(ropes[0]);
  rope.growth = static_cast<float>(growth);
  rope.growth_tokens = std::max(1, tokens);
  return static_cast<int>(ropes.size()) - 1;
}

// Of the layers before `end`, the last one with the window of layer i.
std::optional<int> last_of_its_kind(const std::vector<int>& windows, std::size_t i, int end) {
  for (int j = end - 1; j >= 0; --j)
    if (windows[static_cast<std::size_t>(j)] == windows[i]) return j;
  return std::nullopt;
}

}  // namespace

std::vector<Attention> read_attention_layers(KeyReader& read, const Family& family, const TensorNames& tensors,
                                             const std::vector<int>& heads, const std::vector<int>& kv_heads, ModelSpec& spec) {
  const int layers = static_cast<int>(heads.size());
  const auto even_share = heads[0] > 0 && spec.dim % heads[0] == 0 ? std::optional(spec.dim / heads[0]) : std::nullopt;
  const int key_dim = read.integer("attention.key_length", even_share, 2, 1024);
  const int value_dim = read.integer("attention.value_length", key_dim, 1, 1024);
  const double own_scale = read.number("attention.scale", 0, 0, 1e6);
  const auto windows = read_windows(read, family, spec.two_sided, layers);
  const auto roped = with_rope(read, family, windows);
  const int local_key_dim = read.integer("attention.key_length_swa", key_dim, 2, 1024);
  const int local_value_dim = read.integer("attention.value_length_swa", key_dim == local_key_dim ? value_dim : local_key_dim, 1, 1024);
  const int sharing = read.integer("attention.shared_kv_layers", 0, 0, layers - 1),
            own = layers - sharing;  // layers with keys of their own
  spec.ropes = read_ropes(read, family, spec.context, key_dim, local_key_dim);
  const int local_rope = static_cast<int>(spec.ropes.size()) - 1;
  const auto query_rope = read_temperature(read, spec.ropes, key_dim);
  Attention attention{.softcap = static_cast<float>(read.number("attn_logit_softcapping", family.default_attention_softcap, 0, 1e6)),
                      .norms_rotated = family.norms_rotated,
                      .sinks = family.sinks,
                      .gated = family.gated_attention,
                      .value_norm = family.value_norm};
  if (!family.qk_norm_is_optional || tensors.contains("blk.0.attn_q_norm.weight")) attention.qk_norm = family.qk_norm;
  const int no_norm = family.experts_without_qk_norm;
  if (no_norm > 0 && read.integer("expert_count", 0, 0, 1 << 14) == no_norm) attention.qk_norm = QkNorm::kNone;
  const auto qk_norm = attention.qk_norm;
  std::vector<Attention> all;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const bool local = windows[i] > 0;
    attention.heads = heads[i];
    attention.kv_heads = kv_heads[i];
    attention.window = windows[i];
    attention.key_dim = local ? local_key_dim : key_dim;
    attention.value_dim = local ? local_value_dim : value_dim;
    if (std::cmp_greater_equal(i, own)) {
      attention.shares = last_of_its_kind(windows, i, own);
      if (!attention.shares) read.note(ErrorCode::kCorrupt, "attention.shared_kv_layers", std::to_string(sharing));
    }
    attention.values_of_keys = family.value_norm && !attention.shares && !tensors.contains("blk." + std::to_string(i) + ".attn_v.weight");
    attention.rope = roped[i] ? std::optional(local ? local_rope : 0) : std::nullopt;
    attention.qk_norm = qk_norm == QkNorm::kUnit && !roped[i] ? QkNorm::kNone : qk_norm;
    attention.query_rope = roped[i] ? query_rope : std::nullopt;
    const int width = layers == family.layers_scaled_by_share ? spec.dim / std::max(1, heads[i]) : key_dim;
    attention.scale = own_scale > 0 ? static_cast<float>(own_scale) : 1 / std::sqrt(static_cast<float>(width));
    if (family.unscaled_attention) attention.scale = 1;
    all.push_back(attention);
  }
  return all;
}

}  // namespace mlxr::models
