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
  kUnit,      // each head by itself, without weights
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
  bool norms_rotated = false;   // queries and keys are normalised after they are rotated, not before
  bool sinks = false;           // each head has one more score, without a value
  bool gated = false;           // what a head gives is multiplied by sigmoid(gate(x))
  bool values_of_keys = false;  // there is no matrix of values: they are what keys are before their norm
  bool value_norm = false;      // values are normalised, each head by itself, without weights
  std::optional<int> shares;    // the layer whose keys and values it reads; it stores none
};

// Attention over latent rows (DeepSeek-V2 report, 2024): a token keeps c, from which each head's key and value would be made, and one
// rotated part of the key for all heads. The products that would make them are absorbed into the query and the output instead: q' = kᵀ q
// for the head's matrix k, y = v (softmax(…) c). Files of old converters have these matrices in another form; then keys and values are
// made.
struct LatentAttention {
  int heads = 0;
  int latent = 0;        // values of c
  int query_latent = 0;  // queries are made from so many values, which are normalised; 0: from x
  int key_dim = 0;       // of one head's query, without the rotated part
  int rotated = 0;       // values of the rotated part
  int value_dim = 0;     // of one head
  int rope = 0;          // index into ModelSpec::ropes
  float scale = 1;       // of the scores
  bool absorbed = true;
};

// A short convolution between two gates (LFM2 report, 2025): b, c and v are products of x, y = c · conv(b · v).
struct ShortConvolution {
  int taps = 0;  // it sees a token and the taps - 1 before it
};

// Linear attention, which remembers a matrix for each head: the scan of silu(conv(in(x))), which is gated by silu(gate(x)) and normalised.
struct LinearAttention {
  ops::ScanShape scan;
  int taps = 0;
  // The gated delta rule, where each head is normalised, then gated; else Mamba 2, where all is gated, and normalised in `norm_groups`
  // parts.
  bool delta = false;
  int norm_groups = 1;  // 0: nothing is normalised
  int columns() const { return 2 * scan.key_heads * scan.key_dim + scan.heads * scan.value_dim; }
};

// down(act(gate(x)) · up(x))
struct GatedMlp {
  int hidden = 0;
  ops::Activation activation = ops::Activation::kSilu;
  // Gates become max(0, gate - mean - cutoff · deviation), of all gates of a token (Gemma 3n, 2025). None: they stay as they are.
  std::optional<float> cutoff = {};
};

// An activation with parameters (Huang and Schlag 2024): of x > 0, rise · x² + slope · x, else fall · (exp(min(x, end)) - 1 - x) + slope ·
// x.
struct Xielu {
  float rise = 0, fall = 0, slope = 0, end = 0;
};

// down(act(up(x)))
struct PlainMlp {
  int hidden = 0;
  ops::Activation activation = ops::Activation::kSilu;
  std::optional<Xielu> xielu = {};  // in place of the activation
};

// A mixture of experts, each of them a gated MLP, and perhaps one that all tokens take.
struct Experts {
  int count = 0;
  int hidden = 0;
  bool gated = true;  // else each of them is a plain MLP
  ops::Routing routing;
  bool selection_bias = false;  // the file has one: ops::ExpertWeights says what it does
  int shared_hidden = 0;        // of the expert that all tokens take; 0: there is none
  bool shared_router = false;   // and its weight depends on the token
  // A token has one expert, whose weight multiplies what it reads, not what it gives (Llama 4 model card, 2025).
  bool weighs_input = false;
  ops::Activation activation = ops::Activation::kSilu;
};

// An MLP and experts side by side, each between norms of its own; the router reads x itself, normalised (Gemma 4 model card, 2026).
struct MlpAndExperts {
  GatedMlp mlp;
  Experts experts;
};

// A part that a layer does not have.
struct Absent {};

// A new kind of mixer or of feed-forward part is one more alternative here, and one more function in mixers.cpp or transformer.cpp.
using Mixer = std::variant<Attention, LatentAttention, ShortConvolution, LinearAttention, Absent>;
using FeedForward = std::variant<GatedMlp, PlainMlp, Experts, MlpAndExperts, Absent>;

// x += mixer(norm(x)), then x += feed_forward(norm(x)). A block of the file is a layer, or several where mixers stand side by side.
struct LayerSpec {
  Mixer mixer;
  FeedForward feed_forward;
  bool norms_before = true;  // without them: x += mixer(x), then x += feed_forward(x)
  bool norms_after = false;  // what a part adds to x is normalised (once more) before it is added
  bool scaled = false;       // in the end x is multiplied by a number of the file
  bool beside = false;       // its mixer reads what the mixer of the layer before reads, and both are of one block
  bool parallel = false;     // x += mixer(norm(x)) + feed_forward(norm(x)), of the same norm
  // A second way around the mixer, of this rank (LAuReL: Menghani et al. 2024): with h = norm(x), x becomes
  // (x + mixer(h) + h + norm(up(down(h)))) / √2. 0: there is none.
  int bypass = 0;
  bool norms_sums = false;  // after each of the two additions, x = norm(x)
};

// y = x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019), or y = (x - mean) / sqrt(variance + eps) · weight + bias (Ba et al.
// 2016)
enum class NormKind { kRms, kLayer };

// Of which rows of a text its embedding is made: of all of them, or one.
enum class Pooling { kMean, kFirst, kLast };

// What a text's pooled row goes through: y = norm(act(w · x + bias)).
struct Dense {
  enum class Activation { kNone, kTanh, kGelu };
  int inputs = 0, outputs = 0;
  Activation activation = Activation::kNone;
  bool norm = false;
};

// What a model makes of a whole text, where it is asked for that and not for the next token.
struct Embedder {
  Pooling pooling = Pooling::kLast;
  std::vector<Dense> layers;
  bool scores = false;         // what comes out are scores of so many labels, and not an embedding
  bool probabilities = false;  // which are normalised by a softmax
};

struct ModelSpec {
  std::string architecture;  // of the file, "llama"
  int dim = 0;               // width of the residual stream
  int vocabulary = 0;
  int context = 0;  // tokens it was trained for
  NormKind norm = NormKind::kRms;
  float norm_eps = 0;
  float inner_eps = 0;      // of norms within a part, of what is not on the scale of the residual stream
  float embed_scale = 1;    // embeddings are multiplied by it
  float logit_scale = 1;    // logits are multiplied by it
  float logit_softcap = 0;  // logits become softcap · tanh(logit / softcap); 0: they do not
  std::vector<ops::Rope> ropes;
  bool rope_factors = false;  // the first rope's frequencies are divided by a tensor, if the file has one for this context
  int original_context = 0;   // tokens, before the context was extended: there are factors for more, and others for less
  std::vector<LayerSpec> layers;
  // Each layer adds part_of(gelu(gate(x)) · input) to x, of an input of its own with so many values for each token (Gemma 3n, 2025): from a
  // table of its own and from the embedding. 0: it does not.
  int layer_inputs = 0;
  // The residual stream is kept so many times (AltUp: Baykal et al. 2023). Each layer predicts all of them by mixing them, works on the
  // first, and corrects all by how far the first was from what came of it. Inputs of layers are added to all but the first.
  int streams = 1;
  // Attention sees what comes after a token, too. So such a model computes a text as a whole, and writes none.
  bool two_sided = false;
  int positions = 0;    // rows of a table of positions, each of which is added to the embedding of the token there; 0: there is no table
  int token_types = 0;  // the same for the texts of a pair, the first and the second
  bool embedding_norm = false;
  bool final_norm = true;
  Embedder embedder;
  int further_layers = 0;  // that the file has after these, which are not part of the model
  int blocks() const;
};

// What a layer remembers of each token,
struct KeysAndValues {
  int kv_heads = 0, key_dim = 0, value_dim = 0;
  int window = 0;
  bool operator==(const KeysAndValues&) const = default;
};
// or of all of them together: the last inputs of a convolution, and a matrix for each head.
struct State {
  int columns = 0, taps = 0;
  int heads = 0, key_dim = 0, value_dim = 0;
  bool operator==(const State&) const = default;
};
// Layers that remember the same are of one kind, so that a token has one place in all of them.
struct CacheKind {
  std::variant<KeysAndValues, State> content;
  std::vector<int> layers;  // in ascending order
};
// Every layer that remembers anything is in one of the kinds.
std::vector<CacheKind> caches_of(const ModelSpec& spec);

}  // namespace mlxr::models
