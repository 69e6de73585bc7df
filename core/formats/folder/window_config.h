// Which layers see a window of the text, and which know positions, in config.json.
#pragma once

#include <cstdint>
#include <string>

#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/model_types.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("gemma3."), for a model of `layers` layers. Notes in `config` what is wrong.
void read_windows(const ModelType& type, std::int64_t layers, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata);

}  // namespace mlxr::formats
