// What the files of a model family do not say. A family is an architecture by its GGUF name, such as "llama".
#pragma once

#include <string_view>

#include "core/ops/ops.h"

namespace mlxr::models {

struct Family {
  std::string_view name;
  bool rope_interleaved = false;
  ops::Activation activation = ops::Activation::kSilu;
  bool scale_embeddings = false;  // by sqrt(dim)
  bool head_norms = false;        // queries and keys are normalised, head by head
  bool norms_after = false;       // the outputs of attention and MLP are normalised before they are added
  bool rope_factors = false;      // a file may have rope_freqs.weight (Llama 3.1 and later)
  bool fused = false;             // queries, keys and values are one tensor; gate and up another
  int global_every = 1;           // with a sliding window: every n-th layer is global
  float local_rope_base = 0;      // of the layers with a window; 0: the same as the global one
};

// Null when MLXR does not run the architecture.
const Family* find_family(std::string_view architecture);

}  // namespace mlxr::models
