#include "core/models/spec.h"

#include <algorithm>

namespace mlxr::models {

std::vector<CacheKind> caches_of(const ModelSpec& spec) {
  std::vector<CacheKind> kinds;
  for (int layer = 0; layer < static_cast<int>(spec.layers.size()); ++layer) {
    const auto& a = std::get<Attention>(spec.layers[static_cast<std::size_t>(layer)].mixer);
    const auto same = [&](const CacheKind& kind) {
      return kind.kv_heads == a.kv_heads && kind.key_dim == a.key_dim && kind.value_dim == a.value_dim && kind.window == a.window;
    };
    auto kind = std::ranges::find_if(kinds, same);
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {a.kv_heads, a.key_dim, a.value_dim, a.window, {}});
    kind->layers.push_back(layer);
  }
  return kinds;
}

}  // namespace mlxr::models
