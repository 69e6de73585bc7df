// What the files of a model family do not say. A family is an architecture by its GGUF name, such as "llama".
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/models/spec.h"

namespace mlxr::models {

// Layers that do not know positions.
enum class NoRope { kNever, kAlways, kEveryFourth, kWhereWindowsAreAbsent, kWhereTheFileSaysSo };

// How a mixture of experts works where the file does not say.
struct ExpertDefaults {
  bool sigmoid = false;
  bool normalised = true;
  bool shared_router = false;
  int shared_count = 0;
  bool weighs_input = false;  // Experts says what that is
};

// What stands in place of attention in some layers.
enum class Recurrence { kNone, kShortConvolution, kDeltaRule, kMamba2 };

struct Family {
  std::string_view name;
  NormKind norm = NormKind::kRms;
  bool norms_before = true;  // LayerSpec says what the three are
  bool norms_after = false;
  bool parallel = false;
  bool norms_sums = false;
  bool embedding_norm = false;
  bool final_norm = true;
  bool positions = false;  // it has a table of them, and no rope
  bool two_sided = false;  // where the file does not say so
  bool plain_mlp = false;
  bool xielu = false;  // its plain MLPs have this activation, whose parameters are in the file
  ops::Activation activation = ops::Activation::kSilu;
  bool scale_embeddings = false;  // by sqrt(dim)
  bool divide_logits = false;     // `logit_scale` divides them; else it multiplies
  QkNorm qk_norm = QkNorm::kNone;
  bool qk_norm_is_optional = false;  // only files with its tensors have it
  // Models with so many layers scale attention by sqrt(heads / dim); all others, and 0, by 1 / sqrt(key_dim).
  int layers_scaled_by_share = 0;
  int experts_without_qk_norm = 0;  // models with so many experts do not normalise queries and keys
  bool norms_rotated = false;       // Attention says what that is
  bool scaled_by_size = false;      // where the file names no scales: read_scales() has them
  bool sinks = false;
  bool gated_attention = false;
  bool unscaled_attention = false;        // the scores are not scaled
  bool value_norm = false;                // Attention says what the norm is; a file may leave out the values' matrices
  bool experts_beside_mlp = false;        // in layers that have experts
  bool latent = false;                    // attention is over latent rows
  bool single_parts = false;              // a layer has a mixer or, where it has a width for that, a feed-forward part
  std::optional<ExpertDefaults> experts;  // none: it has none

  Recurrence recurrence = Recurrence::kNone;
  int attention_every = 0;        // where the file does not say which layers have attention: every n-th; 0: those with KV heads
  bool attention_beside = false;  // each block has both
  bool tiled_heads = false;       // ops::ScanShape says what that is

  bool rope_interleaved = false;
  bool rope_factors = false;  // a file may have tensors with factors of the rope's frequencies
  NoRope no_rope = NoRope::kNever;

  // With a sliding window: every n-th layer is global.
  int global_every = 1;
  bool global_first = false;          // beginning with the first
  std::optional<int> default_window;  // where the file does not name one; 0: no window. Nothing: the file must name one
  bool local_rope_unscaled = false;   // the rope scaling is of global layers alone
  int chunk = 0;                      // local layers see the tokens of a piece of so many; 0: the tokens of a window
  double local_rope_base = 0;         // of the layers with a window; 0: the same as the global one

  float default_logit_softcap = 0;      // where the file does not name one; 0: logits are not capped
  float default_attention_softcap = 0;  // the same of the scores

  // Of a file with a head that scores labels: it takes the mean of all rows and its first layer ends with GELU, else one row and tanh; and
  // whether scores are probabilities.
  bool scores_mean = false;
  bool label_probabilities = false;

  std::array<std::string_view, 6> keys = {};  // optional ones that it understands, beside those of every family
};

// Null when MLXR does not run the architecture.
const Family* find_family(std::string_view architecture);

}  // namespace mlxr::models
