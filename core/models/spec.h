// A model described by data, layer by layer: all that the forward pass must know. No family has a name here. Whoever fills a description
// unrolls the patterns of the family ("every sixth layer is global") into the list of layers.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/ops/ops.h"

namespace mlxr::models {

// How queries and keys are normalised before they are rotated.
enum class QkNorm {
  kNone,
  kHead,      // each head by itself, all with the same weights
  kEachHead,  // each head by itself, with weights of its own
  kWhole,     // all heads together
};

// Grouped-query attention over the cache.
struct Attention {
  int heads = 0;
  int kv_heads = 0;
  int key_dim = 0;                // width of one head's queries and keys
  int value_dim = 0;              // width of one head's values
  std::optional<int> rope;        // of the keys: index into ModelSpec::ropes; none: the layer does not know positions
  std::optional<int> query_rope;  // of the queries, where it is another one
  int window = 0;                 // a token sees itself and the window - 1 before it; 0: all before it
  float scale = 1;                // of the scores
  float softcap = 0;              // of the scores; 0: none
  QkNorm qk_norm = QkNorm::kNone;
  bool sinks = false;  // each head has one more score, without a value
};

// down(act(gate(x)) · up(x))
struct GatedMlp {
  int hidden = 0;
  ops::Activation activation = ops::Activation::kSilu;
};

// down(act(up(x)))
struct PlainMlp {
  int hidden = 0;
  ops::Activation activation = ops::Activation::kSilu;
};

// A new kind of mixer or of feed-forward part is one more alternative here, and one more function in transformer.cpp.
using Mixer = std::variant<Attention>;
using FeedForward = std::variant<GatedMlp, PlainMlp>;

// x += mixer(norm(x)), then x += feed_forward(norm(x)).
struct LayerSpec {
  Mixer mixer;
  FeedForward feed_forward;
  bool norms_before = true;  // without them: x += mixer(x), then x += feed_forward(x)
  bool norms_after = false;  // what a part adds to x is normalised (once more) before it is added
  bool parallel = false;     // x += mixer(norm(x)) + feed_forward(norm(x)), of the same norm
};

// y = x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019), or y = (x - mean) / sqrt(variance + eps) · weight + bias (Ba et al.
// 2016)
enum class NormKind { kRms, kLayer };

struct ModelSpec {
  std::string architecture;  // of the file, "llama"
  int dim = 0;               // width of the residual stream
  int vocabulary = 0;
  int context = 0;  // tokens it was trained for
  NormKind norm = NormKind::kRms;
  float norm_eps = 0;
  float embed_scale = 1;    // embeddings are multiplied by it
  float logit_scale = 1;    // logits are multiplied by it
  float logit_softcap = 0;  // logits become softcap · tanh(logit / softcap); 0: they do not
  std::vector<ops::Rope> ropes;
  bool rope_factors = false;  // the first rope's frequencies are divided by a tensor, if the file has one for this context
  int original_context = 0;   // tokens, before the context was extended: there are factors for more, and others for less
  std::vector<LayerSpec> layers;
};

// Layers whose caches have the same shape and the same window, so that a token has one place in all of them.
struct CacheKind {
  int kv_heads = 0, key_dim = 0, value_dim = 0;
  int window = 0;
  std::vector<int> layers;  // in ascending order
};
// Every layer is in one of the kinds.
std::vector<CacheKind> caches_of(const ModelSpec& spec);

}  // namespace mlxr::models
