#include "platform/paths.h"

#include <cstdlib>
#include <string>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __APPLE__
#include <pwd.h>

#include "platform/mac_paths.h"
#endif

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

// The variable as an absolute path; empty when it is unset or empty.
Result<fs::path> folder_from(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return fs::path();
  fs::path path(value);
  if (path.is_relative()) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(variable) + " is '" + value + "', a relative path. Set it to an absolute one, or unset it.");
  }
  return path.lexically_normal();
}

Result<fs::path> home_folder() {
  auto home = folder_from("HOME");
  if (home && home->empty())
    return fail(ErrorCode::kInvalidArgument, "HOME is not set. Set it, or set MLXR_HOME to a folder for MLXR's files.");
  return home;
}

#ifdef __APPLE__
// A sandboxed program's HOME is its own container. MLXR's files are in the user's home folder (mac_paths.h).
Result<fs::path> users_home() {
  auto home = home_folder();
  if (!home || home->string().find("/Library/Containers/") == std::string::npos) return home;
  const passwd* user = ::getpwuid(::getuid());
  if (user == nullptr || user->pw_dir == nullptr)
    return fail(ErrorCode::kIo, "The user database does not know where this user's home folder is.");
  return fs::path(user->pw_dir);
}

Result<Paths> standard_paths(const fs::path& mlxr_home) {
  auto home = users_home();
  if (!home) {
    if (mlxr_home.empty()) return fail(home.error());
    home = fs::path();  // nothing is looked for there
  }
  return mac_paths(*home, own_signature(), mlxr_home);
}
#else
bool is_own_folder(const fs::path& folder) {
  struct stat info{};
  return ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

Result<Paths> standard_paths(const fs::path& mlxr_home) {
  if (!mlxr_home.empty()) return Paths::below(mlxr_home, mlxr_home / "logs");
  // The XDG base directory specification: each variable, or its default below HOME.
  const auto xdg = [](const char* variable, const char* fallback) -> Result<fs::path> {
    auto folder = folder_from(variable);
    if (!folder || !folder->empty()) return folder;
    auto home = home_folder();
    if (!home) return home;
    return *home / fallback;
  };
  const auto data = xdg("XDG_DATA_HOME", ".local/share");
  const auto cache = xdg("XDG_CACHE_HOME", ".cache");
  const auto config = xdg("XDG_CONFIG_HOME", ".config");
  const auto state = xdg("XDG_STATE_HOME", ".local/state");
  const auto runtime = folder_from("XDG_RUNTIME_DIR");
  for (const auto* part : {&data, &cache, &config, &state, &runtime}) {
    if (!*part) return fail(part->error());
  }
  Paths p = Paths::below(*data / "mlxrunner", *state / "mlxrunner");
  p.cache = *cache / "mlxrunner";
  p.config = *config / "mlxrunner" / "server.yaml";
  p.login_item = *config / "systemd/user/default.target.wants/mlxrunnerd.service";
  if (is_own_folder(*runtime)) p.socket = *runtime / "mlxrunner" / "mlxrunner.sock";
  return p;
}
#endif

}  // namespace

Paths Paths::below(const fs::path& support, const fs::path& logs) {
  Paths p;
  p.support = support;
  p.models = support / "models";
  p.cache = support / "cache";
  p.config = support / "server.yaml";
  p.socket = support / "run" / "mlxrunner.sock";
  p.logs = logs;
  p.registry = support / "registry.sqlite";
  return p;
}

Result<Paths> Paths::from_environment() {
  const auto own = folder_from("MLXR_HOME");
  if (!own) return fail(own.error());
  return standard_paths(*own);
}

Result<void> check_socket_path(const fs::path& socket) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (socket.native().size() <= kLongest) return {};
  return fail(ErrorCode::kInvalidArgument, "The socket's path " + socket.string() + " has " + std::to_string(socket.native().size()) +
                                               " bytes; this system allows " + std::to_string(kLongest) +
                                               ". Set MLXR_HOME to a shorter folder, or `uds` in server.yaml to a shorter path.");
}

}  // namespace mlxr::platform
