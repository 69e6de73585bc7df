// The symbolic links from the places where people look for MLXR's files to where they are (Paths::links).
#pragma once

#include <string>
#include <vector>

#include "platform/paths.h"

namespace mlxr::platform {

// Makes the links that are missing or lead nowhere. Files, folders and links of the user's own are left alone; the socket of another
// daemon is replaced, so call this while holding the daemon's place. Returns a sentence about each link that could not be made: none of
// them is needed for the daemon to work.
std::vector<std::string> make_links(const Paths& paths);

}  // namespace mlxr::platform
