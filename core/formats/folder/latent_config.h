// Attention over latent rows (DeepSeek) in config.json.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("deepseek2."), before those that all families have, and says in `model` how its matrices are divided. Notes in
// `config` what is wrong. Reads nothing for a type without such attention.
void read_latent_attention(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model);

}  // namespace mlxr::formats
