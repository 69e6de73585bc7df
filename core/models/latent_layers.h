// Attention over latent rows, as the file's keys describe it.
#pragma once

#include "core/models/bindings.h"
#include "core/models/key_reader.h"
#include "core/models/spec.h"

namespace mlxr::models {

// `heads` of each layer are the same. The rope is that of `rope`, which is changed where YaRN scales attention as a whole.
LatentAttention read_latent_attention(KeyReader& read, const TensorNames& tensors, int heads, ops::Rope& rope);

}  // namespace mlxr::models
