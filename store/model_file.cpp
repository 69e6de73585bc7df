#include "store/model_file.h"

#include <string>
#include <vector>

#include "platform/files.h"

namespace mlxr::store {

namespace fs = std::filesystem;

namespace {

fs::path whole_path(const fs::path& path) {
  std::error_code ec;
  auto full = fs::absolute(path, ec).lexically_normal();
  return full.has_filename() ? full : full.parent_path();  // "folder/" is "folder"
}

// The .gguf files in a folder.
std::vector<fs::path> gguf_files(const fs::path& folder, std::error_code& ec) {
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".gguf") found.push_back(it->path());
  }
  return found;
}

}  // namespace

std::optional<fs::path> find_model_folder(const fs::path& path) {
  std::error_code ec;
  const auto full = whole_path(path);
  const bool is_model = fs::is_directory(full, ec) && fs::exists(full / "config.json", ec) && gguf_files(full, ec).empty() && !ec;
  return is_model ? std::optional(full) : std::nullopt;
}

Result<fs::path> find_model_file(const fs::path& path) {
  std::error_code ec;
  const auto full = whole_path(path);
  if (!fs::exists(full, ec)) return fail(ErrorCode::kNotFound, "There is no file or folder " + path.string() + ".");
  if (!fs::is_directory(full, ec)) return full;
  const auto found = gguf_files(full, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot list " + full.string()));
  if (found.size() == 1) return found.front();
  if (find_model_folder(full)) {
    return fail(ErrorCode::kUnsupported,
                full.string() + " is a model folder as Hugging Face publishes it. Import it first: mlx import " + full.string());
  }
  if (found.empty()) return fail(ErrorCode::kNotFound, "The folder " + full.string() + " has no .gguf file.");
  return fail(ErrorCode::kInvalidArgument,
              "The folder " + full.string() + " has " + std::to_string(found.size()) + " .gguf files. Name the one to use.");
}

}  // namespace mlxr::store
