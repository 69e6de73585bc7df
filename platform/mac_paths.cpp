#include "platform/mac_paths.h"

#include <algorithm>

#include "platform/identity.h"

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

bool is_below(const fs::path& path, const fs::path& folder) { return std::ranges::mismatch(folder, path).in1 == folder.end(); }

}  // namespace

fs::path group_container(const fs::path& home, const std::string& app_group) { return home / "Library/Group Containers" / app_group; }

Result<Paths> mac_paths(const fs::path& home, const Signature& signature, const fs::path& mlxr_home) {
  const fs::path container = signature.app_group.empty() ? fs::path() : group_container(home, signature.app_group);
  if (!mlxr_home.empty()) {
    if (signature.sandboxed && (container.empty() || !is_below(mlxr_home, container)))
      return fail(ErrorCode::kInvalidArgument, "MLXR_HOME is " + mlxr_home.string() +
                                                   ", where this sandboxed program cannot write. Unset it, or choose a folder below " +
                                                   container.string() + ".");
    return Paths::below(mlxr_home, mlxr_home / "logs");
  }

  const fs::path usual = home / "Library/Application Support/MLXRunner";
  const fs::path logs = home / "Library/Logs/MLXRunner";
  const fs::path log = logs / "mlxrunnerd.log";
  Paths paths = Paths::below(container.empty() ? usual : container / "Library/Application Support/MLXRunner", logs);
  paths.login_item = home / "Library/LaunchAgents" / (std::string(kPackageJob) + ".plist");
  paths.links = {{home / "Library/Logs/mlxrunnerd.out.log", log}, {home / "Library/Logs/mlxrunnerd.err.log", log}};
  if (container.empty()) return paths;
  // A socket's path has at most 103 bytes: this one has 102 for a user name of 32 characters. `run` is a folder of the usual place only.
  const fs::path run = paths.socket;
  paths.socket = container / "mlxr.sock";
  paths.links.push_back({usual, paths.support});
  paths.links.push_back({run, paths.socket});
  return paths;
}

bool has_sandboxed_daemon(const Paths& paths) {
  return std::ranges::any_of(paths.links, [&](const Paths::Link& link) { return link.target == paths.support; });
}

}  // namespace mlxr::platform
