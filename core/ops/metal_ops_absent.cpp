// make_metal_ops for platforms without Metal.
#include "core/ops/metal_ops.h"

namespace mlxr::ops {

Result<std::unique_ptr<const Ops>> make_metal_ops(const std::filesystem::path&, std::string&) {
  return fail(ErrorCode::kUnsupported, "The Metal kernels need a Mac.");
}

}  // namespace mlxr::ops
