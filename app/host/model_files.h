// The model files in a folder that the user chose.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::app {

struct ModelFile {
  std::filesystem::path path;
  std::uint64_t size = 0;
};

// The *.gguf files in the folder and its subfolders, up to three levels deep, sorted by path; does not follow links. At most 1000.
// Errors: kNotFound, kPermission, kIo (for the folder itself; unreadable subfolders are skipped).
Result<std::vector<ModelFile>> find_model_files(const std::filesystem::path& folder);

}  // namespace mlxr::app
