// The recurrent layers of a model, as the file's keys describe them.
#pragma once

#include <vector>

#include "core/models/bindings.h"
#include "core/models/family.h"
#include "core/models/key_reader.h"
#include "core/models/spec.h"

namespace mlxr::models {

// Which layers are recurrent, where layer i has kv_heads[i] KV heads if it has attention.
std::vector<bool> read_recurrent_layers(KeyReader& read, const Family& family, const std::vector<int>& kv_heads);

// The mixer of all of them. Errors go to `read`.
Mixer read_recurrent_mixer(KeyReader& read, const Family& family, const TensorNames& tensors);

}  // namespace mlxr::models
