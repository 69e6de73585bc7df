#include "cli/doctor/folders.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "cli/format.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLittleSpace = 1'000'000'000;  // bytes

fs::path nearest_existing(fs::path folder) {
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

// True for a folder that MLXR created for itself, or one below it. Only these may be given to another owner as a whole.
bool is_mlxrs_own(const fs::path& folder) {
  std::error_code failed;
  for (const fs::path& name : {folder.filename(), folder.parent_path().filename()})
    if (name == "mlxrunner" || name == "MLXRunner") return true;
  return fs::exists(folder / "registry.sqlite", failed);
}

// What to do about a folder in which this user cannot write.
std::string remedy_for(const fs::path& folder, int error) {
  struct stat info{};
  if (error == EACCES && stat(folder.c_str(), &info) == 0 && info.st_uid != geteuid() && is_mlxrs_own(folder))
    return "Make it yours again: sudo chown -R \"$USER\" '" + folder.string() + "'";
  return "Set HOME, or MLXR_HOME, to a folder that you can write to";
}

}  // namespace

Finding check_folder(const std::string& subject, const fs::path& folder) {
  const fs::path existing = nearest_existing(folder);
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    const int error = errno;
    const std::string why = existing == folder ? std::string(" cannot be written to") : " cannot be created in " + existing.string();
    return bad(subject, folder.string() + why + ": " + std::generic_category().message(error), remedy_for(existing, error));
  }
  return {subject, Verdict::kGood, folder.string() + (existing == folder ? "" : " (created when it is needed)"), ""};
}

Finding check_socket(const fs::path& socket) {
  const fs::path folder = socket.parent_path();
  Finding finding = check_folder("socket", folder);
  if (finding.verdict != Verdict::kGood) return finding;
  finding.text = socket.string();
  struct stat status{};
  if (stat(folder.c_str(), &status) == 0 && (status.st_mode & 022) != 0) {
    const bool shared = (status.st_mode & S_ISVTX) != 0;  // like /tmp: shared by all users
    return bad("socket", folder.string() + " can be changed by other users",
               shared ? "Choose another folder with `uds` in server.yaml" : "Fix it: chmod go-w '" + folder.string() + "'");
  }
  if (lstat(socket.c_str(), &status) != 0) return finding;  // the daemon creates it
  if (!S_ISSOCK(status.st_mode)) return bad("socket", socket.string() + " is not a socket", "Move that file elsewhere");
  if ((status.st_mode & 077) != 0)
    return bad("socket", socket.string() + " is open to other users", "Restart the daemon, which restricts it: mlx stop");
  return finding;
}

Finding check_space(const fs::path& models) {
  std::error_code failed;
  const fs::space_info space = fs::space(nearest_existing(models), failed);
  if (failed) return {"disk space", Verdict::kWarning, "unknown: " + failed.message(), ""};
  Finding finding{"disk space", Verdict::kGood, format_bytes(space.available) + " free for models", ""};
  if (space.available < kLittleSpace) {
    finding.verdict = Verdict::kWarning;
    const bool has_models = fs::exists(models, failed) && !fs::is_empty(models, failed);
    finding.todo = std::string("Free some space") + (has_models ? "; mlx rm MODEL removes a model" : "");
  }
  return finding;
}

}  // namespace mlxr::cli
