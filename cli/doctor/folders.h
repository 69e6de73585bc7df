// Checks of this user's folders, for `mlx doctor` and `mlx doctor --install`.
#pragma once

#include <filesystem>

#include "cli/doctor/finding.h"

namespace mlxr::cli {

// This user must be able to write to the folder, or to create it. The advice never changes a folder that is not MLXR's own.
Finding check_folder(const std::string& subject, const std::filesystem::path& folder);
// Other users must not be able to reach the socket.
Finding check_socket(const std::filesystem::path& socket);
// That there is room for models.
Finding check_space(const std::filesystem::path& models);

}  // namespace mlxr::cli
