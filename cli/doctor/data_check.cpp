#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor/checks.h"
#include "platform/secrets.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

// True when the path does not exist, or belongs to this user and grants other users none of the permissions in `others`.
bool is_own(const fs::path& path, mode_t others, Findings& found) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return true;
  if (status.st_uid != getuid()) {
    found.push_back(bad("data", path.string() + " belongs to user " + std::to_string(status.st_uid),
                        "Make it yours again: sudo chown -R \"$USER\" '" + path.string() + "'"));
    return false;
  }
  if ((status.st_mode & others) != 0) {
    const bool is_secret = (others & S_IROTH) != 0;
    found.push_back(bad("data", path.string() + " can be " + (is_secret ? "read" : "changed") + " by other users",
                        std::string("Fix it: chmod ") + (is_secret ? "go-rwx '" : "o-w '") + path.string() + "'"));
    return false;
  }
  return true;
}

}  // namespace

Findings check_data(const platform::Paths& paths) {
  constexpr mode_t kChange = S_IWOTH;  // many systems give each user a group of their own, which may write
  Findings found;
  bool own = true;
  for (const fs::path& path : {paths.support, paths.models, paths.registry, paths.config, paths.cache, paths.logs})
    own = is_own(path, kChange, found) && own;
  own = is_own(platform::token_file(paths), S_IRWXG | S_IRWXO, found) && own;
  if (own) found.push_back(good("data", paths.support.string() + " and MLXR's other folders are writable only by you"));
  return found;
}

}  // namespace mlxr::cli
