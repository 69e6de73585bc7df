// Caches of one layer for each kind, on MLX expressions: one head of 32 values.
#pragma once

#include "core/kv/cache.h"

namespace mlxr::kv {

// A kind without a window has the window 0; a kind with states, a matrix of 2 · 3 values for each token, kStates.
inline constexpr int kStates = -1;
struct SmallKind {
  int window, blocks;
};

inline Cache cache_of(const std::vector<SmallKind>& kinds, int step_tokens = 64) {
  static const auto ops = ops::make_mlx_ops();
  std::vector<Kind> all;
  for (int layer = 0; const auto& [window, blocks] : kinds) {
    if (window == kStates) {
      all.push_back({.shape = ops::StateShape{blocks, kBlockTokens, 4, 2, 1, 2, 3}, .window = 2, .layers = {layer++}});
    } else {
      all.push_back({.shape = ops::CacheShape{quant::Type::kF16, blocks, 1, kBlockTokens, 32, 32}, .window = window, .layers = {layer++}});
    }
  }
  return {all, step_tokens, *ops};
}

}  // namespace mlxr::kv
