// What a folder of sentence-transformers does with the rows of its transformer: modules.json, and the folders that it names.
#pragma once

#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/config.h"
#include "core/formats/folder/folder_files.h"
#include "core/formats/folder/owned_metadata.h"
#include "core/formats/folder/safetensors.h"
#include "core/formats/folder/tensor_builder.h"

namespace mlxr::formats {

// Adds the pooling that the folder asks for, if it does. Returns the files of the layers behind it, in order: for add_dense_layer().
// Errors: kUnsupported (a pooling, a module or an order of them that MLXR does not have), kCorrupt.
Result<std::vector<DenseFiles>> read_sentence_modules(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata);

// Adds the weights of such a layer, which `source` has: it must outlive the builder's tensors. Errors: those of parse_safetensors() and of
// TensorBuilder::add().
Result<void> add_dense_layer(const FolderFiles& folder, const DenseFiles& files, const FileSource& source, TensorBuilder& builder);

// GGUF has keys for the widths of these layers in one architecture.
void add_dense_widths(const BuiltTensors& built, const ModelConfig& model, OwnedMetadata& metadata);

}  // namespace mlxr::formats
