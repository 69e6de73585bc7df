// The kinds of models that a folder may hold, by Hugging Face's names.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <mlxrunner/result.h>

#include "core/formats/folder/json_value.h"

namespace mlxr::formats {

// What the layers do that have no attention.
enum class Recurrence { kNone, kConvolution, kDeltaRule, kMamba2 };

// A kind of model (`model_type`), and in what its folder differs from its GGUF file.
struct ModelType {
  std::string_view name;
  std::string_view architecture;            // in GGUF
  bool pairs_together = false;              // GGUF rotates neighbours in a head, where the folder rotates a value with one half a head away
  bool norms_plus_one = false;              // the folder stores norms less 1
  bool post_attention_norm_is_own = false;  // post_attention_layernorm is of what attention adds; in others it is the norm before the MLP
  bool windows = false;                     // some layers see a window of the text
  bool tiled_heads = false;                 // GGUF has value heads in the order of TiledHeads
  bool axes = false;                        // positions have several axes, as those of an image do
  bool latent = false;                      // attention is over latent rows
  bool layer_shapes = false;                // layers differ in their heads and their width (Gemma 4)
  bool streams = false;                     // the residual stream is kept several times (Gemma 3n)
  Recurrence recurrence = Recurrence::kNone;
  std::string_view recurrent_layer;  // its name in layer_types
  bool sigmoid_experts = false;      // experts are chosen by sigmoids, where config.json does not say it
  bool turned_experts = false;       // stacks of experts are transposed, unless mlx-lm made them
  bool encoder = false;              // it sees a text in both directions
  std::int64_t position_offset = 0;  // rows before the first position in its table of positions
  bool rounds_ramp = false;          // YaRN's ramp is between whole numbers, whatever config.json says
  std::array<std::string_view, 2> activations = {"silu", ""};
  double rotated_share = 1;                                                         // of each head, where config.json does not say it
  std::span<const std::pair<std::string_view, double>> defaults = {};               // of its class, which config.json need not repeat
  std::span<const std::pair<std::string_view, std::string_view>> other_names = {};  // of keys: {what others call it, what it calls it}
};

// What config.json says first.
struct DescribedModel {
  const ModelType* type = nullptr;
  const Json* text = nullptr;  // the object that describes the language model: all of config.json, or a part of it
  bool wrapped = false;        // the language model of a model that also sees or hears
};

// Errors: kCorrupt (no model_type), kUnsupported (one that MLXR does not run). The result refers to `config`.
Result<DescribedModel> find_model_type(const Json& config, const std::string& file_name);

}  // namespace mlxr::formats
