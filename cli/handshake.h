// The version of the running daemon beside the version of this program. An update replaces the programs and leaves the old daemon running.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cli/failure.h"
#include "platform/paths.h"

namespace mlxr::cli {

// True when version `a` comes before version `b` ("0.9.0" before "0.10.0"). A suffix such as "-beta" does not count.
bool is_older(std::string_view a, std::string_view b);

// True when no request is running or waiting. `status` is the answer of GET /mlxr/status.
bool is_idle(const nlohmann::json& status);

// Empty when the daemon is of this program's version; else a sentence that names both versions and how to restart.
std::string version_warning(const nlohmann::json& status);

// ensure_daemon, then the handshake: a daemon that is older than this program and idle is restarted. About one that is busy, or newer, a
// line on stderr says so. Failures: those of ensure_daemon and stop_daemon.
Status ensure_current_daemon(const platform::Paths& paths);

}  // namespace mlxr::cli
