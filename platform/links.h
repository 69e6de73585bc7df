// The symbolic links from the places where people look for MLXR's files to where they are (Paths::links).
#pragma once

#include <string>
#include <vector>

#include "platform/paths.h"

namespace mlxr::platform {

// Makes the links that are missing or lead nowhere. Files, folders and links of the user's own are left alone. A socket in the place of a
// link is left alone too, unless this process holds the daemon's place, and it is a dead daemon's. Returns a sentence about each link that
// could not be created: none of them is needed for the daemon to work.
std::vector<std::string> make_links(const Paths& paths, bool holds_the_place = true);

}  // namespace mlxr::platform
