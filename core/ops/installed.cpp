#include "core/ops/installed.h"

#include <dlfcn.h>
#include <mlx/backend/metal/metal.h>

#include <string_view>

#include "platform/process.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;

fs::path file_of_this_code() {
  Dl_info info{};
  static const char inside = 0;
  std::error_code failed;
  // For the main program this is argv[0], which need not be a path.
  if (dladdr(&inside, &info) != 0 && std::string_view(info.dli_fname).contains('/')) {
    const fs::path file = fs::canonical(info.dli_fname, failed);
    if (!failed) return file;
  }
  return platform::running_program().value_or(fs::path());
}

}  // namespace

fs::path install_prefix() { return file_of_this_code().parent_path().parent_path(); }

void find_mlx_kernels() {
  const fs::path metallib = install_prefix() / "Resources" / "mlx.metallib";
  std::error_code failed;
  if (mlx::core::metal::is_available() && fs::exists(metallib, failed)) mlx::core::metal::set_metallib_path(metallib.string());
}

}  // namespace mlxr::ops
