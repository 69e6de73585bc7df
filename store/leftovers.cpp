#include "store/leftovers.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>

#include "platform/files.h"
#include "store/names.h"
#include "store/partial_file.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShardFolder = "shard-";

// The entries of a folder. Empty if it cannot be listed.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) found.push_back(it->path());
  return found;
}

bool is_folder(const fs::path& path) {
  std::error_code failed;
  return fs::is_directory(fs::symlink_status(path, failed));
}

std::uint64_t size_of(const fs::path& file) {
  std::error_code failed;
  const auto size = fs::is_regular_file(fs::symlink_status(file, failed)) ? fs::file_size(file, failed) : 0;
  return failed ? 0 : size;
}

// Where a pull keeps its partial files: of the package that holds the model, of the license's text, of the model's shards, of the model.
std::vector<fs::path> folders_of_a_pull(const fs::path& partial) {
  std::vector<fs::path> folders{partial / "package", partial / "license"};
  for (const auto& entry : entries_of(partial))
    if (entry.filename().string().starts_with(kShardFolder)) folders.push_back(entry);
  folders.push_back(partial);
  return folders;
}

// "model.gguf.2026-11-27T12:00:00Z": what a pull calls a file that it puts into quarantine.
bool has_time_as_suffix(const fs::path& file) {
  static constexpr std::string_view kPattern = ".0000-00-00T00:00:00Z";
  std::string name = file.filename().string();
  if (name.size() <= kPattern.size()) return false;
  name.erase(0, name.size() - kPattern.size());
  std::ranges::replace_if(name, [](char c) { return c >= '1' && c <= '9'; }, '0');
  return name == kPattern;
}

}  // namespace

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
  return !relative.empty() && relative != "." && *relative.begin() != "..";
}

void remove_empty_folders(fs::path folder, const fs::path& top) {
  std::error_code failed;
  while (is_below(folder, top) && fs::is_empty(folder, failed) && !failed && fs::remove(folder, failed)) folder = folder.parent_path();
}

fs::path partial_of_shard(const fs::path& partial, std::size_t number) {
  return partial / (std::string(kShardFolder) + std::to_string(number));
}

Leftover unfinished_download(const fs::path& partial) {
  Leftover one{.kind = Leftover::Kind::kUnfinished, .name = model_of_folder(partial.parent_path().filename().string()), .path = partial};
  for (const auto& folder : folders_of_a_pull(partial)) {
    for (const auto& file : PartialFile::files_in(folder)) {
      one.files.push_back(file);
      if (!PartialFile::is_state(file)) one.size += size_of(file);
    }
  }
  return one;
}

std::vector<Leftover> find_leftovers(const platform::Paths& paths) {
  std::vector<Leftover> found;
  for (const auto& publisher : entries_of(paths.models)) {
    for (const auto& model : entries_of(publisher)) {
      auto one = unfinished_download(model / ".partial");
      if (!one.files.empty()) found.push_back(std::move(one));
    }
  }
  const auto add_quarantined = [&](const std::string& name, const fs::path& file) {
    if (has_time_as_suffix(file) && !is_folder(file)) found.push_back({Leftover::Kind::kQuarantined, name, file, {file}, size_of(file)});
  };
  for (const auto& entry : entries_of(paths.support / "quarantine")) {
    if (!is_folder(entry)) add_quarantined(entry.filename().string(), entry);
    for (const auto& file : entries_of(entry)) add_quarantined(model_of_folder(entry.filename().string()), file);
  }
  std::ranges::sort(found, {}, [](const Leftover& one) { return std::pair(one.name, one.path); });
  return found;
}

Result<void> remove_leftovers(const platform::Paths& paths, const std::vector<Leftover>& leftovers) {
  std::optional<Error> error;
  for (const auto& one : leftovers) {
    std::error_code failed;
    for (const auto& file : one.files) {
      fs::remove(file, failed);
      if (failed && !error) error = platform::os_error(failed.value(), "Cannot delete " + file.string());
    }
    if (one.kind == Leftover::Kind::kQuarantined) {
      remove_empty_folders(one.path.parent_path(), paths.support);
    } else {
      for (const auto& folder : folders_of_a_pull(one.path)) remove_empty_folders(folder, paths.models);
    }
  }
  if (error) return fail(*error);
  return {};
}

}  // namespace mlxr::store
