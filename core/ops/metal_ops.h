// Ops on a Mac's GPU: the functions of the Metal kernel pack, and MLX expressions for operations that it lacks.
#pragma once

#include <memory>

#include "core/ops/metal_pack.h"
#include "core/ops/ops.h"

namespace mlxr::ops {

// Loads the pack in `folder`, compiles its functions if it has only their sources, and compares the result of each on fixed data with that
// of the MLX expressions. Sets `version` to the pack's version. Errors: kUnsupported (not a Mac, or no GPU), those of MetalPack::load,
// kCorrupt (a function does not compile, or computes a wrong result).
Result<std::unique_ptr<const Ops>> make_metal_ops(const std::filesystem::path& folder, std::string& version);

}  // namespace mlxr::ops
