// Ops on a Mac's GPU: the functions of the Metal kernel pack, and MLX expressions for what has none.
#pragma once

#include <memory>

#include "core/ops/metal_pack.h"
#include "core/ops/ops.h"

namespace mlxr::ops {

// Loads the pack that lies in a folder, compiles its functions where it has only their sources, and runs each on fixed data beside the
// expressions. `version` becomes the pack's. Errors: kUnsupported (no Mac, or no GPU), those of MetalPack::load, kCorrupt (a function does
// not compile, or computes a wrong result).
Result<std::unique_ptr<const Ops>> make_metal_ops(const std::filesystem::path& folder, std::string& version);

}  // namespace mlxr::ops
