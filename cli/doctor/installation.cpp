#include "cli/doctor/installation.h"

#include "platform/identity.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnpackAgain = "Unpack the archive again";

constexpr Layout kBuild{.kind = "a build tree", .programs = "bin", .kernels = "lib/kernels/cpu", .again = "Build it again: scripts/build"};

constexpr Layout kApp{.is_mac = true,
                      .kind = "an app",
                      .programs = "Helpers",
                      .mlx = "Frameworks/libmlx.dylib",
                      .metallib = "Resources/mlx.metallib",
                      .kernels = "Resources/kernels/cpu",
                      .metal = "Resources/kernels",
                      .settings = "Resources/defaults/server.yaml",
                      .licenses = "Resources/licenses",
                      .core = "Frameworks/libmlxrunner_core.dylib",
                      .agent = kAgentInApp,
                      .again = "Drag MLXR from its disk image to Applications again"};

// mlxrunnerd.zip, /Library/MLXRunner of the PKG, and Homebrew's formula.
constexpr Layout kMacFolder{.is_mac = true,
                            .kind = "unpacked from an archive",
                            .programs = "bin",
                            .mlx = "lib/libmlx.dylib",
                            .metallib = "lib/mlx.metallib",
                            .kernels = "lib/kernels/cpu",
                            .metal = "lib/kernels/metal",
                            .settings = "share/mlxrunner/server.yaml",
                            .licenses = "share/doc/mlxrunner/licenses",
                            .agent = kAgentInFolder,
                            .again = kUnpackAgain};

constexpr Layout kLinuxFolder{.kind = "unpacked from an archive",
                              .programs = "bin",
                              .mlx = "lib/mlxrunner/libmlx.so",
                              .kernels = "lib/mlxrunner/kernels/cpu",
                              .settings = "share/mlxrunner/server.yaml",
                              .licenses = "share/doc/mlxrunner/licenses",
                              .agent = "lib/systemd/user/mlxrunnerd.service",
                              .again = kUnpackAgain};

Layout called(Layout layout, std::string_view kind, std::string_view again) {
  layout.kind = kind;
  layout.again = again;
  return layout;
}

Layout layout_of(const fs::path& root) {
  std::error_code failed;
  const std::string folder = root.string();
  if (fs::exists(root / "CMakeCache.txt", failed)) return kBuild;
  if (folder.ends_with(".app/Contents")) return kApp;
  if (folder.contains("/Cellar/")) return called(kMacFolder, "Homebrew's", "brew reinstall mlxrunner");
  if (folder == "/Library/MLXRunner") return called(kMacFolder, "the installer package's", "Install MLXR's package again");
  if (fs::exists(root / "lib/libmlx.dylib", failed) || fs::exists(root / kMacFolder.agent, failed)) return kMacFolder;
  if (folder == "/usr" && fs::exists("/var/lib/dpkg/info/mlxrunner.list", failed))
    return called(kLinuxFolder, "a Debian package", "sudo apt reinstall mlxrunner");
  return kLinuxFolder;
}

}  // namespace

Installation installation_of(const fs::path& program) {
  std::error_code failed;
  fs::path real = fs::canonical(program, failed);
  if (failed) real = program;
  const fs::path root = real.parent_path().parent_path();
  return {.layout = layout_of(root), .root = root, .program = real};
}

}  // namespace mlxr::cli
