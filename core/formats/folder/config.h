// config.json: the description of a model, as Hugging Face's classes read it, in the words of GGUF.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"
#include "core/formats/folder/owned_metadata.h"
#include "core/formats/folder/rope_config.h"

namespace mlxr::formats {

// What the layers do that have no attention.
enum class Recurrence { kNone, kConvolution, kDeltaRule };

// A kind of model by Hugging Face's name (`model_type`), and in what its folder differs from its GGUF file.
struct ModelType {
  std::string_view name;
  std::string_view architecture;            // in GGUF
  bool pairs_together = false;              // GGUF rotates neighbours in a head, where the folder rotates a value with one half a head away
  bool norms_plus_one = false;              // the folder stores norms less 1
  bool post_attention_norm_is_own = false;  // post_attention_layernorm is of what attention adds; in others it is the norm before the MLP
  bool windows = false;                     // some layers see a window of the text
  bool tiled_heads = false;                 // GGUF has value heads in the order of TiledHeads
  Recurrence recurrence = Recurrence::kNone;
  std::string_view recurrent_layer;  // its name in layer_types
  bool encoder = false;              // its names are BERT's, and it sees a text in both directions
  std::int64_t position_offset = 0;  // rows before the first position in its table of positions
  bool rounds_ramp = false;          // YaRN's ramp is between whole numbers, whatever config.json says
  std::array<std::string_view, 2> activations = {"silu", ""};
  double rotated_share = 1;                                            // of each head, where config.json does not say it
  std::span<const std::pair<std::string_view, double>> defaults = {};  // of its class, which config.json need not repeat
};

// The heads of the gated delta rule. Each key head has an equal share of the value heads. Zeros: a model without them.
struct ScanShape {
  std::int64_t key_heads = 0, key_dim = 0, value_heads = 0, value_dim = 0;
};

struct ModelConfig {
  const ModelType* type = nullptr;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, layers = 0;
  std::int64_t vocabulary = 0;      // tokens; 0: not said
  bool tied = false;                // the embeddings are the head, whatever the folder has
  std::int64_t further_layers = 0;  // after the others: they predict more tokens and are left out
  bool scores = false;              // it has a head that scores labels
  bool wrapped = false;             // the language model of a model that also sees or hears
  RopeFactors rope_factors;
  ScanShape scan;
  const Json* quantization = nullptr;  // how an MLX folder packs its weights; a part of `config`; null: it does not
  std::int64_t fp8_block = 0;          // 8-bit floats have a scale for each block of so many rows and columns; 0: another number
  const Json* text = nullptr;          // the object that describes the language model: `config`, or a part of it
};

// Adds what `config` says to `metadata`. A key that is not understood and could change the results is refused by name.
// Errors: kUnsupported, kCorrupt. `config` must outlive the result.
Result<ModelConfig> read_config(const Json& config, const std::string& file_name, OwnedMetadata& metadata);

}  // namespace mlxr::formats
