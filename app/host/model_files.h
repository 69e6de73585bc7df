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

// The *.gguf files in the folder and in the folders in it, three levels deep, by path; links are not followed out of it. At most 1000.
// Errors: kNotFound, kPermission, kIo (of the folder itself; one below that cannot be read is left out).
Result<std::vector<ModelFile>> find_model_files(const std::filesystem::path& folder);

}  // namespace mlxr::app
