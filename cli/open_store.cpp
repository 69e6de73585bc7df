#include "cli/open_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/terminal.h"
#include "platform/paths.h"

namespace mlxr::cli {
namespace {

// `sudo mlx …` with a user's HOME creates files that belong to root, which lock the user out.
void warn_before_root_takes_a_home(const platform::Paths& paths) {
  const char* home = std::getenv("HOME");
  struct stat info{};
  std::error_code unknown;
  const bool is_standard_folder = !paths.login_item.empty();
  if (geteuid() != 0 || !is_standard_folder || home == nullptr || std::filesystem::exists(paths.support, unknown)) return;
  if (stat(home, &info) != 0 || info.st_uid == 0) return;
  say("mlx: You are root, and " + std::string(home) + " belongs to user " + std::to_string(info.st_uid) + ". The files in " +
      paths.support.string() + " will belong to root, and that user cannot use them. Run mlx without sudo.\n");
}

}  // namespace

Outcome<std::unique_ptr<store::Store>> open_store() {
  auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  warn_before_root_takes_a_home(*paths);
  auto store = store::Store::open(*paths);
  if (!store) return give_up(store.error());
  return std::move(*store);
}

}  // namespace mlxr::cli
