// What a model makes of a whole text, as its file describes it.
#pragma once

#include <span>

#include "core/formats/checkpoint.h"
#include "core/models/family.h"
#include "core/models/key_reader.h"
#include "core/models/spec.h"

namespace mlxr::models {

// For a model of this width, whose attention is two-sided or not. Errors go to `read`.
Embedder read_embedder(KeyReader& read, const Family& family, std::span<const formats::Tensor> tensors, int dim, bool two_sided);

}  // namespace mlxr::models
