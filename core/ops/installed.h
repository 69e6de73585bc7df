// Where the files lie that come with the engine: its kernels, and MLX's on a Mac.
#pragma once

#include <filesystem>

namespace mlxr::ops {

// The folder above the one of the program, or of libmlxrunner_core where a program of others loaded that: build/<preset>, /usr, or an app's
// Contents.
std::filesystem::path install_prefix();

// Tells MLX where an app keeps mlx.metallib: in Resources, as no data may lie beside the code in Frameworks, where MLX would look.
void find_mlx_kernels();

}  // namespace mlxr::ops
