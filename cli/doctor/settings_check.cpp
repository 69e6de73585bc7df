#include "cli/doctor/checks.h"
#include "daemon/config.h"

namespace mlxr::cli {

Findings check_settings(const platform::Paths& paths) {
  const auto config = daemon::effective_config(paths.config);
  if (!config) return {bad("settings", config.error().message, "Fix it: the daemon does not start with these settings")};
  std::string own;
  std::string managed;
  std::string by;
  for (const auto& one : config->given) {
    std::string& names = one.managed ? managed : own;
    names += (names.empty() ? "" : ", ") + one.name;
    if (one.managed) by = one.origin;
  }
  Findings found{
      good("settings", own.empty() ? "defaults; to change them, create " + paths.config.string() : own + ", in " + paths.config.string())};
  if (!managed.empty()) found.push_back(good("managed settings", managed + ", by " + by + "; they override yours"));
  return found;
}

}  // namespace mlxr::cli
