#include "store/belongings.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "platform/files.h"
#include "platform/secrets.h"
#include "store/registry.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;
using FileSet = std::set<fs::path>;

bool is_there(const fs::path& path) {
  std::error_code failed;
  return fs::exists(fs::symlink_status(path, failed));
}

bool is_link(const fs::path& path) {
  std::error_code failed;
  return fs::is_symlink(path, failed);
}

bool is_folder(const fs::path& path) {
  std::error_code failed;
  return fs::symlink_status(path, failed).type() == fs::file_type::directory;  // no link to one
}

// The same file under the name that a walk from resolved_parent(root) gives it.
fs::path resolved_parent(const fs::path& path) {
  std::error_code failed;
  const auto parent = fs::canonical(path.parent_path(), failed);
  return failed ? path : parent / path.filename();
}

// The files of the user's own, also where the user's name for them leads over links.
FileSet to_keep(const std::vector<fs::path>& in_place) {
  FileSet files;
  for (const auto& file : in_place) {
    files.insert(resolved_parent(file));
    std::error_code failed;
    if (const auto target = fs::canonical(file, failed); !failed) files.insert(target);
  }
  return files;
}

std::uint64_t size_of(const fs::path& path, const FileSet& keep) {
  std::error_code failed;
  if (!is_folder(path)) {
    const auto size = is_link(path) || keep.contains(path) ? 0 : fs::file_size(path, failed);
    return failed ? 0 : size;  // a socket has none
  }
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path, failed)) bytes += size_of(entry.path(), keep);
  return bytes;
}

void add(std::vector<Belonging>& list, const fs::path& path, const FileSet& keep) {
  if (!path.empty() && is_there(path)) list.push_back({path, size_of(resolved_parent(path), keep)});
}

// Removes a file, a link, or a folder with all that is in it but for the files to keep. The first failure goes to `error`.
void remove_tree(const fs::path& path, const FileSet& keep, std::optional<Error>& error) {
  if (keep.contains(path)) return;
  std::error_code failed;
  if (is_folder(path)) {
    std::vector<fs::path> children;
    for (const auto& entry : fs::directory_iterator(path, failed)) children.push_back(entry.path());
    for (const auto& child : children) remove_tree(child, keep, error);
    if (!failed && !fs::is_empty(path, failed) && !failed) return;  // of what was kept, or failed and is told already
  }
  if (!failed) fs::remove(path, failed);
  if (failed && failed != std::errc::no_such_file_or_directory && !error)
    error = platform::os_error(failed.value(), path.string() + " cannot be removed");
}

void remove_if_empty(const fs::path& folder, std::vector<fs::path>& left) {
  std::error_code failed;
  if (is_folder(folder) && !fs::remove(folder, failed)) left.push_back(folder);
}

}  // namespace

Result<Belongings> find_belongings(const platform::Paths& paths, const fs::path& socket) {
  Belongings found;
  FileSet keep;
  if (is_link(paths.support)) {
    add(found.models, paths.support, keep);
  } else {
    if (is_there(paths.registry)) {
      auto registry = Registry::open(paths.registry);
      if (!registry) return fail(registry.error());
      const auto models = (*registry)->models();
      if (!models) return fail(models.error());
      for (const auto& model : *models) {
        if (model.in_place)
          found.in_place.push_back(model.file);
        else if (!is_link(paths.models))
          ++found.model_count;
      }
    }
    keep = to_keep(found.in_place);
    add(found.models, paths.models, keep);
    if (!found.models.empty()) found.model_bytes = found.models.front().size;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) add(found.models, paths.registry.string() + suffix, keep);
    for (const auto& path : {platform::token_file(paths), paths.support / "locks", paths.support / "quarantine"})
      add(found.data, path, keep);
  }
  add(found.data, is_link(paths.config.parent_path()) ? paths.config.parent_path() : paths.config, keep);
  for (const auto& path : {paths.cache, paths.socket.parent_path(), paths.logs, paths.login_item}) add(found.data, path, keep);
  if (socket != paths.socket)
    for (const char* suffix : {"", ".lock"}) add(found.data, socket.string() + suffix, keep);
  return found;
}

Result<std::vector<fs::path>> remove_belongings(const platform::Paths& paths, const Belongings& belongings, bool models) {
  const auto keep = to_keep(belongings.in_place);
  std::optional<Error> error;
  std::vector<fs::path> left;
  for (const auto& one : belongings.data) remove_tree(resolved_parent(one.path), keep, error);
  if (models)
    for (const auto& one : belongings.models) remove_tree(resolved_parent(one.path), keep, error);
  if (error) return fail(*error);
  if (paths.config.parent_path() != paths.support) remove_if_empty(paths.config.parent_path(), left);
  if (models) {
    if (is_folder(paths.models))
      left.push_back(paths.models);
    else
      remove_if_empty(paths.support, left);
  }
  return left;
}

}  // namespace mlxr::store
