// What config.json says of encoders.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("bert.") for a type that is an encoder: attention in both directions, and scores where it has a head for them,
// which is what it returns. Notes in `config` what is wrong.
bool read_encoder(const ModelType& type, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata);

}  // namespace mlxr::formats
