// What `mlx doctor` and `mlx doctor --install` check in this user's folders.
#pragma once

#include <filesystem>

#include "cli/doctor/finding.h"

namespace mlxr::cli {

// That this user can write to the folder, or can create it. The advice never touches a folder that is not MLXR's own.
Finding check_folder(const std::string& subject, const std::filesystem::path& folder);
// That nobody else can reach the socket.
Finding check_socket(const std::filesystem::path& socket);
// That there is room for models.
Finding check_space(const std::filesystem::path& models);

}  // namespace mlxr::cli
