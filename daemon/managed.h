// Settings that those who manage this machine made for all its users: they come before server.yaml (docs/fleet.md).
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

// Linux: /etc/mlxrunner/managed.yaml. macOS: what a profile forces of these names in the preferences of the daemon's identifier. Nowhere
// else: no variable of a user's leads elsewhere. Nothing where there is none. Errors: kPermission (somebody else than root can change it),
// kInvalidArgument (a value that is neither text nor a number), kIo.
Result<std::optional<ManagedSettings>> managed_settings(const std::vector<std::string_view>& names);

// Linux: a file that root alone can change, and everything above it; else that is an error. Nothing where it is missing.
Result<std::optional<ManagedSettings>> managed_settings_in(const std::filesystem::path& file);

}  // namespace mlxr::daemon
