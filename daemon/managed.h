// Settings that an administrator made for all users of this machine. They override server.yaml (docs/fleet.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::daemon {

struct ManagedSettings {
  std::string origin;  // for people: a file, or the preferences of a configuration profile
  std::string text;    // as in server.yaml
};

// Linux: /etc/mlxrunner/managed.yaml. macOS: those of `names` that a configuration profile enforces in the preferences of the daemon's
// identifier. No environment variable changes these places. Empty when there are none. Errors: kPermission (users other than root can
// change it), kInvalidArgument (a value that is neither text nor a number), kIo.
Result<std::optional<ManagedSettings>> managed_settings(const std::vector<std::string_view>& names);

// Linux: reads `file`, which only root may be able to change, as well as all folders above it. Empty when it does not exist.
// Errors: as managed_settings.
Result<std::optional<ManagedSettings>> managed_settings_in(const std::filesystem::path& file);

}  // namespace mlxr::daemon
