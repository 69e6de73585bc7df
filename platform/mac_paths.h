// Where MLXR keeps things on a Mac: docs/macos.md has the table and the reasons. Pure functions, built and tested on every system.
#pragma once

#include <filesystem>
#include <string>

#include <mlxrunner/result.h>

#include "platform/paths.h"

namespace mlxr::platform {

// The entitlements in the signature of a Mac program. A program built from source has none of them.
struct Signature {
  std::string app_group;   // TEAM.APP_ID, such as ABCDE12345.org.example.app; empty: none
  bool sandboxed = false;  // writes only to its containers and to the folders that its entitlements name
};

// Of the running program. On Linux, and for a program that is not signed by a team: no group, and no sandbox.
Signature own_signature();

// The container of an app group.
std::filesystem::path group_container(const std::filesystem::path& home, const std::string& app_group);

// Without an app group, data is in ~/Library/Application Support/MLXRunner. With one, it is in the group's container, which is the only
// place where sandboxed programs may share a socket; Paths::links then has the links from the usual places.
// home: the user's own home folder, also in a sandbox. mlxr_home: the value of MLXR_HOME, or empty.
// Errors: kInvalidArgument (MLXR_HOME is outside of what a sandboxed program can write).
Result<Paths> mac_paths(const std::filesystem::path& home, const Signature& signature, const std::filesystem::path& mlxr_home);

// Whether the daemon that serves these paths is sandboxed: it then opens no file elsewhere, so that an import copies it. False with
// MLXR_HOME, and on Linux.
bool has_sandboxed_daemon(const Paths& paths);

}  // namespace mlxr::platform
