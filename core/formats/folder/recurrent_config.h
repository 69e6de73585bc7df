// Layers without attention in config.json: short convolutions, the gated delta rule, Mamba 2.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("lfm2."), before those that all families have: which layers have attention, and the shape of the others, which
// `model` gets too. Notes in `config` what is wrong. Reads nothing for a type without such layers.
void read_recurrence(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model);

}  // namespace mlxr::formats
