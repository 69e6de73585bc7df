#include "cli/root_warning.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "cli/terminal.h"
#include "platform/files.h"
#include "platform/paths.h"

namespace mlxr::cli {

void warn_before_root_takes_a_home() {
  const char* home = std::getenv("HOME");
  struct stat info{};
  if (geteuid() != 0 || home == nullptr || stat(home, &info) != 0 || info.st_uid == 0) return;
  const auto paths = platform::Paths::from_environment();
  if (!paths) return;  // the command says why
  const bool is_standard_folder = !paths->login_item.empty();
  if (!is_standard_folder || platform::is_there(paths->support)) return;
  say("mlx: You are root, and " + std::string(home) + " belongs to user " + std::to_string(info.st_uid) + ". What MLXR writes in " +
      paths->support.string() + " will be root's, and that user cannot use it. Run mlx without sudo.\n");
}

}  // namespace mlxr::cli
