// The attention of a model's layers, as the file's keys describe it: windows, positions, widths and scales.
#pragma once

#include <vector>

#include "core/models/bindings.h"
#include "core/models/family.h"
#include "core/models/key_reader.h"
#include "core/models/spec.h"

namespace mlxr::models {

// That of each layer, with so many heads and KV heads, and the ropes of `spec`. Errors go to `read`.
std::vector<Attention> read_attention_layers(KeyReader& read, const Family& family, const TensorNames& tensors,
                                             const std::vector<int>& heads, const std::vector<int>& kv_heads, ModelSpec& spec);

}  // namespace mlxr::models
