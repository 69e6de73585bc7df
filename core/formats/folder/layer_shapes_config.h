// Layers that differ in their heads and their width (Gemma 4) in config.json.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("gemma4."), before those that all families have, and says in `model` which layers have keys and values of their
// own. Notes in `config` what is wrong. Reads nothing for a type whose layers are alike.
void read_layer_shapes(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model);

}  // namespace mlxr::formats
