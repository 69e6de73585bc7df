#include "cli/doctor/folders.h"

#include <sys/stat.h>
#include <unistd.h>

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

}  // namespace

Finding check_folder(const std::string& subject, const fs::path& folder) {
  const fs::path existing = nearest_existing(folder);
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    return {subject, Verdict::kBad, existing.string() + " is not writable for you",
            "Give it back to yourself: sudo chown -R \"$USER\" '" + existing.string() + "'"};
  }
  return {subject, Verdict::kGood, folder.string() + (existing == folder ? "" : " (made when it is needed)"), ""};
}

Finding check_socket(const fs::path& socket) {
  const fs::path folder = socket.parent_path();
  Finding finding = check_folder("socket", folder);
  if (finding.verdict != Verdict::kGood) return finding;
  finding.text = socket.string();
  struct stat status{};
  if (stat(folder.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return {"socket", Verdict::kBad, folder.string() + " can be entered by others", "Close it: chmod 700 '" + folder.string() + "'"};
  }
  if (lstat(socket.c_str(), &status) != 0) return finding;  // made by the daemon
  if (!S_ISSOCK(status.st_mode)) return bad("socket", socket.string() + " is not a socket", "Move that file away");
  if ((status.st_mode & 077) != 0)
    return bad("socket", socket.string() + " is open to others", "Start the daemon again, which closes it: mlx stop");
  return finding;
}

Finding check_space(const fs::path& models) {
  std::error_code failed;
  const fs::space_info space = fs::space(nearest_existing(models), failed);
  if (failed) return {"disk space", Verdict::kWarning, "unknown: " + failed.message(), ""};
  Finding finding{"disk space", Verdict::kGood, format_bytes(space.available) + " free for models", ""};
  if (space.available < kLittleSpace) {
    finding.verdict = Verdict::kWarning;
    finding.todo = "Make room: mlx rm MODEL removes a model";
  }
  return finding;
}

}  // namespace mlxr::cli
