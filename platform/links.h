// Symbolic links from the usual places of MLXR's files to where they are (Paths::links).
#pragma once

#include <string>
#include <vector>

#include "platform/paths.h"

namespace mlxr::platform {

// Creates links that are missing or broken. The user's own files, folders and links are left alone, and so is a socket in the place of a
// link, unless this process is the daemon and the socket belongs to a dead daemon. Returns a message about each link that could not be
// created; the daemon works without them.
std::vector<std::string> make_links(const Paths& paths, bool holds_the_place = true);

}  // namespace mlxr::platform
