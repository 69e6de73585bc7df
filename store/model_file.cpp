#include "store/model_file.h"

#include <string>
#include <vector>

#include "platform/files.h"

namespace mlxr::store {

namespace fs = std::filesystem;

Result<fs::path> find_model_file(const fs::path& path) {
  std::error_code ec;
  const auto full = fs::absolute(path, ec).lexically_normal();
  if (ec || !fs::exists(full, ec)) return fail(ErrorCode::kNotFound, "There is no file or folder " + path.string() + ".");
  if (!fs::is_directory(full, ec)) return full;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(full, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".gguf") found.push_back(it->path());
  }
  if (ec) return fail(platform::os_error(ec.value(), "Cannot list " + full.string()));
  if (found.size() == 1) return found.front();
  if (found.empty()) return fail(ErrorCode::kNotFound, "The folder " + full.string() + " has no .gguf file.");
  return fail(ErrorCode::kInvalidArgument,
              "The folder " + full.string() + " has " + std::to_string(found.size()) + " .gguf files. Name the one to use.");
}

}  // namespace mlxr::store
