#include "core/models/spec.h"

#include <algorithm>

namespace mlxr::models {
namespace {

using Content = decltype(CacheKind::content);

std::optional<Content> content_of(const ModelSpec&, const Attention& a) {
  if (a.shares) return std::nullopt;
  return KeysAndValues{a.kv_heads, a.key_dim, a.value_dim, a.window};
}

// Of latent rows, what keys and values have in common is kept twice: attention has one layout for each.
Content content_of(const ModelSpec&, const LatentAttention& a) {
  if (a.absorbed) return KeysAndValues{.kv_heads = 1, .key_dim = a.latent + a.rotated, .value_dim = a.latent};
  return KeysAndValues{.kv_heads = a.heads, .key_dim = a.key_dim + a.rotated, .value_dim = a.value_dim};
}

Content content_of(const ModelSpec& spec, const ShortConvolution& c) { return State{.columns = spec.dim, .taps = c.taps}; }

Content content_of(const ModelSpec&, const LinearAttention& a) {
  return State{.columns = a.columns(), .taps = a.taps, .heads = a.scan.heads, .key_dim = a.scan.key_dim, .value_dim = a.scan.value_dim};
}

std::optional<Content> content_of(const ModelSpec&, const Absent&) { return std::nullopt; }

}  // namespace

int ModelSpec::blocks() const { return static_cast<int>(std::ranges::count(layers, false, &LayerSpec::beside)); }

std::vector<CacheKind> caches_of(const ModelSpec& spec) {
  std::vector<CacheKind> kinds;
  for (int layer = 0; layer < static_cast<int>(spec.layers.size()); ++layer) {
    const auto& mixer = spec.layers[static_cast<std::size_t>(layer)].mixer;
    const auto content = std::visit([&](const auto& it) -> std::optional<Content> { return content_of(spec, it); }, mixer);
    if (!content) continue;
    auto kind = std::ranges::find(kinds, *content, &CacheKind::content);
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {*content, {}});
    kind->layers.push_back(layer);
  }
  return kinds;
}

}  // namespace mlxr::models
