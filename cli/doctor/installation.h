// Where this `mlx` is installed, how it was installed, and which files belong to it.
#pragma once

#include <filesystem>
#include <string_view>

namespace mlxr::cli {

// The parts of an installation, as paths below its root; empty if it does not have the part.
struct Layout {
  bool is_mac = false;        // launchd and code signatures; else systemd
  std::string_view kind;      // "/usr is ..."
  std::string_view programs;  // the folder of mlx and mlxrunnerd
  std::string_view mlx;       // MLX's library
  std::string_view metallib;  // MLX's kernels for the GPU
  std::string_view kernels;   // the CPU pack's folder
  std::string_view metal;     // the Metal pack's folder
  std::string_view settings;  // the default server.yaml
  std::string_view licenses;  // a folder with a text for each component
  std::string_view core;      // libmlxrunner_core, where other programs find it
  std::string_view agent;     // the file for the service manager
  std::string_view again;     // how to reinstall it
};

struct Installation {
  Layout layout;
  std::filesystem::path root;     // /usr, build/dev, MLXR.app/Contents
  std::filesystem::path program;  // mlx, without links

  std::filesystem::path daemon() const { return root / layout.programs / "mlxrunnerd"; }
};

// The installation that a program called mlx belongs to.
Installation installation_of(const std::filesystem::path& program);

}  // namespace mlxr::cli
