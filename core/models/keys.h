// Which keys of a model's description MLXR understands.
//
// A key that MLXR ignores could change what a model computes, and the answers would be wrong without any notice. So every key under the
// architecture's name must be one that read_spec() reads, or one that is known to change nothing; a model with any other is refused.
#pragma once

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"
#include "core/models/family.h"

namespace mlxr::models {

// Errors: kUnsupported (a feature or an unknown key; the message names it).
Result<void> check_keys(const formats::Metadata& metadata, const Family& family);

}  // namespace mlxr::models
