// config.json: the description of a model, as Hugging Face's classes read it, in the words of GGUF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"
#include "core/formats/folder/model_types.h"
#include "core/formats/folder/owned_metadata.h"
#include "core/formats/folder/rope_config.h"

namespace mlxr::formats {

// The heads of a scan: of the gated delta rule, or of Mamba 2. Each key head has an equal share of the value heads. Zeros: a model without
// them.
struct ScanShape {
  std::int64_t key_heads = 0, key_dim = 0, value_heads = 0, value_dim = 0;
};

// Of attention over latent rows: what the matrix has that makes each head's keys and values of a row. Zeros: a model without them.
struct LatentShape {
  std::int64_t key_dim = 0, value_dim = 0;
};

// Whether a layer has matrices for its keys and its values.
struct KeysAndValuesOfLayer {
  bool keys = true, values = true;
};

struct ModelConfig {
  const ModelType* type = nullptr;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, layers = 0;
  std::int64_t hidden = 0;
  std::int64_t experts = 0;
  std::int64_t vocabulary = 0;      // tokens; 0: not said
  bool tied = false;                // the embeddings are the head, whatever the folder has
  std::int64_t input_rows = 0;      // of a table of inputs of layers that is shorter than the vocabulary; 0: it is not
  bool scores = false;              // it has a head that scores labels
  std::int64_t further_layers = 0;  // after the others: they predict more tokens and are left out
  bool wrapped = false;             // the language model of a model that also sees or hears
  RopeFactors rope_factors;
  ScanShape scan;
  LatentShape latent;
  std::vector<KeysAndValuesOfLayer> own;  // of each layer, where they differ; empty: all have both
  const Json* quantization = nullptr;     // how an MLX folder packs its weights; a part of `config`; null: it does not
  std::int64_t fp8_block = 0;             // 8-bit floats have a scale for each block of so many rows and columns; 0: another number
  const Json* text = nullptr;             // the object that describes the language model: `config`, or a part of it
};

// Adds what `config` says to `metadata`. A key that is not understood and could change the results is refused by name.
// Errors: kUnsupported, kCorrupt. `config` must outlive the result.
Result<ModelConfig> read_config(const Json& config, const std::string& file_name, OwnedMetadata& metadata);

}  // namespace mlxr::formats
