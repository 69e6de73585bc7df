// What a folder says of encoders, and of embeddings that a model makes: config.json, and the files of sentence-transformers.
#pragma once

#include <string>

#include "core/formats/folder/config.h"
#include "core/formats/folder/config_reader.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/owned_metadata.h"

namespace mlxr::formats {

// Adds keys under `prefix` ("bert.") for a type that is an encoder: attention in both directions, and scores where it has a head for them,
// which is what it returns. Notes in `config` what is wrong.
bool read_encoder(const ModelType& type, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata);

// Adds the pooling that sentence-transformers' files ask for, if the folder has them.
// Errors: kUnsupported (a pooling or a module that MLXR does not have), kCorrupt.
Result<void> read_pooling(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata);

}  // namespace mlxr::formats
