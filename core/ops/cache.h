// One layer's part of the paged cache of keys and values. Its layout in memory is up to the implementation of Ops that made it.
#pragma once

#include <mlx/array.h>

#include "core/quant/type.h"

namespace mlxr::ops {

struct CacheShape {
  quant::Type type = quant::Type::kF16;  // or kQ8_0
  int blocks = 0, kv_heads = 0, block_tokens = 0;
  int key_dim = 0, value_dim = 0;  // widths of one head's key and value
};

struct LayerCache {
  CacheShape shape;
  int kind = 0;  // the batch's slots and pages of this kind are those of this cache
  mlx::core::array k, v;
};

}  // namespace mlxr::ops
