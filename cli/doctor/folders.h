// What both examinations ask about this user's folders.
#pragma once

#include <filesystem>

#include "cli/doctor/finding.h"

namespace mlxr::cli {

Finding check_folder(const std::string& subject, const std::filesystem::path& folder);  // that this user can write there
Finding check_socket(const std::filesystem::path& socket);                              // that nobody else can reach it
Finding check_space(const std::filesystem::path& models);

}  // namespace mlxr::cli
