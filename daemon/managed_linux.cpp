// Managed settings on Linux: a file that only root can change.
#include "daemon/managed.h"

#include <cerrno>

#include <sys/stat.h>

#include "platform/files.h"

namespace mlxr::daemon {
namespace {

namespace fs = std::filesystem;

// A world-writable folder is acceptable only if it is owned by root and sticky, like /tmp.
bool is_roots_alone(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || status.st_uid != 0) return false;
  const bool kept = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  return kept || (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

Result<std::optional<ManagedSettings>> managed_settings_in(const fs::path& file) {
  std::error_code failed;
  const fs::path real = fs::canonical(file, failed);
  if (failed == std::errc::no_such_file_or_directory || failed == std::errc::not_a_directory) return std::nullopt;
  if (failed) return fail(platform::os_error(failed.value(), "Cannot read " + file.string()));
  for (fs::path path = real;; path = path.parent_path()) {
    if (!is_roots_alone(path))
      return fail(ErrorCode::kPermission, "The managed settings in " + file.string() +
                                              " cannot be trusted, so the daemon does not start: " + path.string() +
                                              " can be changed by users other than root. To fix it: chown root '" + path.string() +
                                              "' && chmod go-w '" + path.string() + "'");
    if (path == path.root_path()) break;
  }
  constexpr std::uint64_t kLongest = 1 << 20;
  auto text = platform::read_file(real, kLongest);
  if (!text) return fail(text.error());
  return ManagedSettings{file.string(), std::move(*text)};
}

Result<std::optional<ManagedSettings>> managed_settings(const std::vector<std::string_view>&) {
  return managed_settings_in("/etc/mlxrunner/managed.yaml");
}

}  // namespace mlxr::daemon
