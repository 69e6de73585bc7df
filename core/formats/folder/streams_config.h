// What Gemma 3n has of its own in config.json, whose residual stream is kept several times.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("gemma3n.") for a type with several streams: which share of its gates each layer keeps. Fills in the rows of
// the table of inputs. Notes in `config` what is wrong.
void read_streams(ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata, ModelConfig& model);

}  // namespace mlxr::formats
