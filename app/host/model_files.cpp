#include "app/host/model_files.h"

#include <algorithm>
#include <string>

#include "platform/files.h"

namespace mlxr::app {
namespace {

namespace fs = std::filesystem;

constexpr int kLevels = 3;
constexpr std::size_t kMost = 1000;

bool is_model(const fs::path& file) {
  std::string extension = file.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return extension == ".gguf" && !file.filename().string().starts_with('.');
}

}  // namespace

Result<std::vector<ModelFile>> find_model_files(const fs::path& folder) {
  std::error_code failed;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, failed);
  if (!failed && entry == fs::recursive_directory_iterator()) fs::directory_iterator(folder, failed);  // skipped, or empty
  if (failed) return fail(platform::os_error(failed.value(), "Cannot read the folder " + folder.string()));
  std::vector<ModelFile> files;
  for (; entry != fs::recursive_directory_iterator() && files.size() < kMost; entry.increment(failed)) {
    if (failed) break;
    if (entry.depth() >= kLevels - 1) entry.disable_recursion_pending();
    std::error_code ignored;
    if (entry->is_symlink(ignored) || !entry->is_regular_file(ignored) || !is_model(entry->path())) continue;
    files.push_back({entry->path(), entry->file_size(ignored)});
  }
  std::ranges::sort(files, {}, &ModelFile::path);
  return files;
}

}  // namespace mlxr::app
