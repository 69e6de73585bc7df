// The RoPE scaling of config.json (`rope_scaling`, or since transformers 5 `rope_parameters`), in the words of GGUF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// What GGUF stores as tensors: each divides the frequency of a pair. Empty: there is none.
struct RopeFactors {
  std::vector<float> all, of_long_texts, of_short_texts;
};

struct RopeShape {
  std::int64_t head_dim = 0;
  std::int64_t context = 0;     // max_position_embeddings
  double rotated_share = 1;     // where config.json does not say it
  double base = 0;              // likewise; 0: nothing need be said
  bool may_round_ramp = false;  // YaRN's ramp, though config.json says otherwise
  bool axes = false;            // positions have several axes, along all of which those of a text are the same
  bool latent = false;          // of attention over latent rows, where YaRN's temperature is that of the whole scores
};

// Adds keys under `prefix` ("llama."). Notes in `config` what is wrong. Errors: kUnsupported, kCorrupt.
Result<RopeFactors> read_rope(ConfigReader& config, const RopeShape& shape, const std::string& prefix, OwnedMetadata& metadata);

}  // namespace mlxr::formats
