// Which keys of a model's description MLXR understands.
//
// A key that nobody reads can change what a model computes, and the answers would be wrong without a word. So every key under the
// architecture's name must be one that read_config() reads, or one that is known to change nothing; a model with any other is refused.
#pragma once

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"
#include "core/models/family.h"

namespace mlxr::models {

// Errors: kUnsupported (a feature, or a key that is not known, by name).
Result<void> check_keys(const formats::Metadata& metadata, const Family& family);

}  // namespace mlxr::models
