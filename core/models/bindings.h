// Which tensor of a file plays which role in a model: a whole tensor, or some rows of one that keeps several matrices fused.
//
// A tensor that nobody reads belongs to an unknown variant of the family, whose answers would be wrong without it; so a file with such a
// tensor is refused.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/models/spec.h"

namespace mlxr::models {

enum class Role {
  // of the model
  kEmbeddings,
  kHead,  // absent: the embeddings are the head
  kFinalNorm,
  kRopeFactors,
  kRopeFactorsLong,
  kRopeFactorsShort,
  kPositions,
  kTokenTypes,
  kEmbeddingNorm,
  kDense,  // of the embedder; the layer is the number of the dense layer
  kDenseNorm,
  kLayerInputTable,
  kLayerInputProjection,
  kLayerInputNorm,
  kStreamsIn,
  kStreamsOut,
  // of a layer
  kMixerNorm,
  kQuery,
  kKey,
  kValue,
  kMixerOutput,
  kAttentionGate,
  kQueryLatent,
  kLatent,
  kLatentNorm,
  kAbsorbedKey,
  kAbsorbedValue,
  kConvolution,
  kRecurrentInput,
  kInputGate,
  kOutputGate,
  kSteps,
  kStrengths,
  kStepBias,
  kRates,
  kSkip,
  kScanNorm,
  kQueryNorm,
  kKeyNorm,
  kSinks,
  kNormAfterMixer,
  kMixerSumNorm,
  kMlpSumNorm,
  kMlpNorm,
  kGate,
  kUp,
  kDown,
  kRouter,
  kRouterBias,
  kExpertGate,
  kExpertUp,
  kExpertDown,
  kSharedRouter,
  kSharedGate,
  kSharedUp,
  kSharedDown,
  kNormAfterMlp,
  kMlpOwnNormAfter,
  kRouterScale,
  kExpertScales,
  kExpertsNorm,
  kExpertsNormAfter,
  kLayerInputGate,
  kLayerInputOutput,
  kLayerInputNormAfter,
  kLayerScale,
  kBypassDown,
  kBypassUp,
  kBypassNorm,
  kStreamRouterNorm,
  kStreamRouter,
  kStreamPredictions,
  kStreamCorrections,
  kStreamScale,
};

inline constexpr int kWholeModel = -1;  // in place of a layer

struct Binding {
  std::string tensor;               // its name in the file
  std::string bias;                 // the name of its bias, which a file need not have; empty: it has none
  std::vector<std::int64_t> shape;  // the tensor's
  int first_row = 0, rows = 0;      // the part of it that plays the role
  int run = 0, period = 0;          // which has only the first `run` of every `period` rows; 0: all of them
  int experts = 0;                  // so many matrices that are stacked in the tensor, each with such rows; 0: it is one matrix
  int used = 0;                     // of which a token reads so many; 0: all of them
  bool required = true;
  bool is_vector = false;  // its values are read as one vector, whatever its shape

  // The tensor, or one matrix of a stack, as the model reads it: as a whole or in part.
  formats::Tensor part_of(const formats::Tensor& whole) const;
  // The numbers of the tensor's rows that are its own, in ascending order.
  std::vector<std::size_t> rows_of_part() const;
};

class Bindings {
 public:
  void add(Role role, int layer, Binding binding) { all_.emplace(std::pair(layer, role), std::move(binding)); }
  // The tensors of a file that play roles, as prepare() gets them: matrices without the rows that play another role, and vectors.
  std::vector<formats::Tensor> parts(const formats::Checkpoint& file) const;
  // Those of them of which a token reads only some: the matrices of experts.
  std::vector<formats::Tensor> experts(const formats::Checkpoint& file) const;
  // Null if the model has no such role.
  const Binding* find(Role role, int layer) const;
  const std::map<std::pair<int, Role>, Binding>& all() const { return all_; }

 private:
  std::map<std::pair<int, Role>, Binding> all_;
};

using TensorNames = std::unordered_set<std::string_view>;

// The number of rows of a matrix that a file need not have, at most a million. check_tensors() refuses one of another shape.
int rows_of(std::span<const formats::Tensor> tensors, std::string_view name);

// The tensors of a GGUF file: every one that Transformer::load reads, or could read. `present` are those that the file has: they say which
// matrices it keeps fused.
Bindings bind_gguf(const ModelSpec& spec, const TensorNames& present);

// True for a tensor that need not be read: those of further layers, keys and values of layers that read those of another layer, and what
// old converters stored although `rope.freq_base` says it.
bool is_harmless(const ModelSpec& spec, std::string_view name);

// Errors: kUnsupported (an unknown tensor), kCorrupt (a tensor is missing or has the wrong shape). The message names the tensor.
Result<void> check_tensors(const ModelSpec& spec, const Bindings& bindings, std::span<const formats::Tensor> tensors);

}  // namespace mlxr::models
