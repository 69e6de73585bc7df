// Finds the files that are installed with the engine: its kernels, and MLX's on a Mac.
#pragma once

#include <filesystem>

namespace mlxr::ops {

// The parent of the folder that holds the program, or libmlxrunner_core if another program loaded it: build/<preset>, /usr, or an app's
// Contents.
std::filesystem::path install_prefix();

// Tells MLX that an app has mlx.metallib in Resources: MLX would look beside the code in Frameworks, where no data is allowed.
void find_mlx_kernels();

}  // namespace mlxr::ops
