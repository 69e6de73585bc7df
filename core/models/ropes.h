// The rotary position embeddings of a model, as its file describes them: their base and how they are scaled for long texts.
#pragma once

#include <vector>

#include "core/models/family.h"
#include "core/models/key_reader.h"
#include "core/ops/step.h"

namespace mlxr::models {

// The rope of layers that see everything, and that of layers with a window where the family has another one for them.
// `local_key_dim` is the width of a key in the latter. `context` is what YaRN extends, if the file does not say that it was another. An
// error is noted in `read`.
std::vector<ops::Rope> read_ropes(KeyReader& read, const Family& family, int context, int key_dim, int local_key_dim);

// Tokens of the context that the model was trained with before it was extended; 0: the file does not say.
int original_context(KeyReader& read);

}  // namespace mlxr::models
