// Tensors of a folder under the names of GGUF, and what happens to their data on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/formats/folder/config.h"

namespace mlxr::formats {

enum class Layout {
  kAsItIs,
  kQuery,             // heads of rows, which GGUF may order in another way
  kKey,               // likewise
  kNorm,              // float32, and 1 more in some families
  kTaps,              // of a convolution of each channel by itself: float32, without the dimension of one channel
  kStacked,           // one of several tensors that GGUF keeps as one: each is a row of a norm
  kFusedInTurn,       // queries, keys and values of each group of heads in turn, which GGUF keeps in three tensors
  kPositions,         // a table of positions, of which the first rows may be no positions
  kVector,            // float32; a matrix of one row
  kInputTable,        // inputs of layers for each token, of which the last have no rows: they have the first one
  kExpert,            // a matrix of one expert, or of one stream, of several that GGUF keeps as one
  kExperts,           // the same matrix of all experts
  kExpertsTurned,     // the same, transposed
  kGateThenUp,        // of all experts, the gate's rows and those of what it opens, which GGUF keeps in two tensors
  kGateThenUpTurned,  // the same, transposed
  kGateAndUp,         // rows of the gate and of what it opens in turn
  kKeysThenValues,    // of attention over latent rows: for each head the rows that make its key, which GGUF has as columns, and its value
  // Of a scan. Value heads are in the order of their key heads; GGUF wants them in that of TiledHeads for some families.
  kRates,       // logarithms of rates, which GGUF keeps as negative rates, one for each value head
  kSteps,       // of each value head: a row, or a value
  kScanGate,    // rows of the value heads
  kScanInput,   // rows of the queries, of the keys, of the value heads
  kScanTaps,    // likewise, of a convolution
  kScanOutput,  // columns of the value heads
  kScanNorm,    // a norm of what the value heads give; in parts, for Mamba 2
  kScanSkip,    // a value for each value head, which GGUF keeps as rows
  kScanInTurn,  // for each key head its query, its key, its value heads, and their gates
};

struct MappedName {
  std::string name;  // in GGUF, with its ".weight" or ".bias"
  Layout layout = Layout::kAsItIs;
  std::int64_t layer = -1;
  std::int64_t part = 0;  // of a stacked tensor
};

// The name of a tensor with a dot before its last part, which the names of some lack: "mlp.experts.down_proj_bias".
std::string with_last_part(std::string_view name);

// Nothing for a name that no family has. `stem` is a tensor's name without its last part, ".weight" or ".bias", which `suffix` is.
std::optional<MappedName> map_name(std::string_view stem, std::string_view suffix, const ModelConfig& model);

// True for tensors of the folder that a text model does not need: tables that are computed, a head that is the embeddings, parts that see,
// layers that predict further tokens.
bool is_left_out(std::string_view name, const ModelConfig& model);

}  // namespace mlxr::formats
