// The recurrence of linear attention: each head keeps a matrix S (D, E), which says of every key what value belongs to it, and changes it
// token by token. With the step dt = softplus(step + bias) of a head, its decay g = exp(rate · dt) and the strength b:
//
//   S ← g S;  S ← S + b k (v - c)ᵀ;  y = Sᵀ q + skip · v
//
// In Mamba 2 (Dao and Gu 2024), c = 0 and b = dt. By the gated delta rule (Yang et al. 2024), c = Sᵀ k, what S says of k already, and b is
// the sigmoid of a number that the token gives; k and q are divided by their lengths first, and q by sqrt(D).
#pragma once

#include <mlx/array.h>

#include <optional>

namespace mlxr::ops {

inline constexpr int kMostTaps = 16;  // of a convolution
inline constexpr int kMostKeyDim = 256;

struct ScanShape {
  int heads = 0, key_dim = 0, value_dim = 0;   // H, D, E
  int key_heads = 0;                           // keys and queries are fewer
  bool tiled = false;                          // head h reads key head h % key_heads; else h / (heads / key_heads)
  int query_at = 0, key_at = 0, value_at = 0;  // the columns of the input where they begin
  bool operator==(const ScanShape&) const = default;
};

struct ScanWeights {
  mlx::core::array rates;                // (H), negative
  mlx::core::array biases;               // (H), of the steps
  std::optional<mlx::core::array> skip;  // (H)
};

}  // namespace mlxr::ops
