// A transformer described by data: what differs between families is a field here, not code.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/ops/ops.h"

namespace mlxr::models {

struct Config {
  std::string architecture;
  int layers = 0;
  int dim = 0;  // width of the residual stream
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int hidden = 0;  // width of the gated MLP
  int vocabulary = 0;
  int context = 0;  // tokens it was trained for
  float norm_eps = 0;
  float embed_scale = 1;  // embeddings are multiplied by it
  float attention_scale = 1;
  ops::Activation activation = ops::Activation::kSilu;
  bool head_norms = false;    // queries and keys are normalised, head by head
  bool post_norms = false;    // what attention and MLP add is normalised
  bool rope_factors = false;  // the file may have rope_freqs.weight
  bool rope_interleaved = false;
  std::shared_ptr<const std::vector<float>> rope_global;  // radians per position of each pair
  std::shared_ptr<const std::vector<float>> rope_local;   // of layers with a window
  int window = 0;                                         // of local layers; 0: there are none
  int global_every = 1;                                   // every n-th layer (1-based) sees the whole context

  bool is_local(int layer) const { return window > 0 && (layer + 1) % global_every != 0; }
};

// Reads and checks the description. A model with a key that could change its results and is not understood is refused.
// Errors: kUnsupported (architecture, feature or key, by name), kCorrupt (a key is missing or makes no sense).
Result<Config> read_config(const formats::Metadata& metadata, std::span<const formats::Tensor> tensors);

// Divides the frequencies by the factors in the file, if it has any (rope_freqs.weight, Llama 3.1 and later).
// Errors: kCorrupt (a factor is not a positive number), those of Source::read.
Result<void> apply_rope_factors(Config& config, const formats::Checkpoint& file);

}  // namespace mlxr::models
