#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/belongings.h"
#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/doctor/installation.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "platform/identity.h"
#include "platform/paths.h"
#include "platform/process.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  bool dry_run = false, yes = false, models = false, keep_models = false;
};

// Names only MLXR's own files, never a folder such as ~/.local or /usr/local. Removes nothing, because the programs may belong to root.
std::string how_to_remove_the_programs() {
  const std::string still_there = "The programs are still installed. ";
  const auto program = platform::running_program().value_or(fs::path());
  const std::string file = program.string();
  if (const auto at = file.find(".app/Contents/"); at != std::string::npos)
    return still_there + "Move " + file.substr(0, at + 4) + " to the Trash.\n";
  if (file.starts_with("/usr/bin/")) return still_there + "Remove them with: sudo apt remove mlxrunner\n";
  if (file.find("/Cellar/") != std::string::npos) return still_there + "Remove them with: brew uninstall mlxrunner\n";

  const auto installation = installation_of(program);
  const auto folder = program.parent_path();
  const auto& root = installation.root;
  std::error_code failed;
  if (fs::exists(root / "CMakeCache.txt", failed)) return still_there + "They are in the build folder " + root.string() + "\n";
  // The archive's "mlxrunner-VERSION-SYSTEM", or the package's "MLXRunner": with the files that only an archive has there. The name alone
  // may be that of somebody's own folder, and the files alone may have been copied to ~/.local.
  const auto name = root.filename().string();
  const auto& layout = installation.layout;
  const bool is_archive = fs::exists(root / layout.settings, failed) && fs::is_directory(root / layout.licenses, failed);
  if (is_archive && (name.starts_with("mlxrunner") || name.starts_with("MLXRunner")))
    return still_there + "Delete the folder " + root.string() + "\n";
  std::string list;
  for (const auto& one : {folder / "mlx", folder / "mlxrunnerd", folder / "mlxr", root / "lib/mlxrunner", root / "share/mlxrunner"})
    if (fs::exists(one, failed)) list += "  " + one.string() + "\n";
  return still_there + "Delete:\n" + list;
}

std::string models_of(const Belongings& all) {
  const auto size = format_bytes(all.model_bytes);
  if (all.model_count == 0) return "unfinished downloads (" + size + ")";
  return std::to_string(all.model_count) + (all.model_count == 1 ? " model (" : " models (") + size + ")";
}

// One line for each file, or for a folder with many.
void show(const std::vector<Belonging>& files) {
  constexpr std::ptrdiff_t kNamedOneByOne = 4;
  Table table({{"SIZE", Align::kRight}, {"PATH"}});
  for (auto first = files.begin(); first != files.end();) {
    const auto folder = first->path.parent_path();
    const auto last = std::find_if(first, files.end(), [&](const Belonging& one) { return one.path.parent_path() != folder; });
    const auto count = last - first;
    if (count <= kNamedOneByOne) {
      for (; first != last; ++first) table.add_row({format_bytes(first->size), first->path.string()});
      continue;
    }
    std::uint64_t size = 0;
    for (; first != last; ++first) size += first->size;
    table.add_row({format_bytes(size), folder.string() + "/ (" + std::to_string(count) + " files)"});
  }
  write_out(table.to_string());
}

std::string why_it_stays(const fs::path& folder) {
  std::error_code failed;
  if (fs::is_symlink(folder, failed)) return " stays: it is a link that MLXR did not make.\n";
  return fs::is_empty(folder, failed) ? " stays: it cannot be removed.\n" : " stays: it holds files that are not MLXR's.\n";
}

// Whether to remove the models too. Failures: kUsage (there is no terminal to ask on), kFailure (the answer was no).
Outcome<bool> may_remove(const Belongings& all, const Options& options) {
  const bool asks_for_models = all.model_bytes > 0 && !options.models && !options.keep_models;
  if (!stdin_is_terminal() && (!options.yes || asks_for_models)) {
    return give_up(ExitCode::kUsage,
                   std::string("uninstall asks before it removes anything, and there is no terminal to ask on. Add --yes") +
                       (asks_for_models ? ", and --models or --keep-models for " + models_of(all) : "") + ".");
  }
  if (!options.yes && !ask_yes_no("Remove MLXR's data?")) return give_up(ExitCode::kFailure, "Nothing was removed.");
  if (asks_for_models) return ask_yes_no("Remove " + models_of(all) + " as well?");
  return !options.keep_models;
}

#if defined(__APPLE__)
// Otherwise launchd would start the daemon again, through the job of the package, of the app or of Homebrew.
void forget_at_login() {
  for (const std::string label : kLaunchdJobs) {
    auto launchctl = platform::Child::spawn({.argv = {"/bin/launchctl", "bootout", "gui/" + std::to_string(getuid()) + "/" + label}});
    if (launchctl) launchctl->wait();  // fails where the job is not loaded
  }
}
#else
void forget_at_login() {}  // systemd does not restart a service that ended with success
#endif

Status uninstall(const Options& options) {
  const auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  const auto socket = daemon_socket(*paths);
  const auto found = find_belongings(*paths, socket);
  if (!found) return give_up(found.error());
  if (found->data.empty() && (found->models.empty() || options.keep_models)) {
    write_out("No data of MLXR found" + std::string(found->models.empty() ? "" : " except its models") + ".\n" +
              how_to_remove_the_programs());
    return {};
  }
  auto files = found->data;
  if (!options.keep_models) files.insert(files.end(), found->models.begin(), found->models.end());
  show(files);
  if (!found->in_place.empty()) write_out("Imported files, which stay where they are: " + std::to_string(found->in_place.size()) + "\n");
  if (options.dry_run) {
    write_out("Dry run: nothing was removed.\n" + how_to_remove_the_programs());
    return {};
  }
  const auto models = may_remove(*found, options);
  if (!models) return give_up(models.error());

  if (!paths->login_item.empty()) forget_at_login();  // with MLXR_HOME the login item is another daemon's
  auto its_paths = *paths;
  its_paths.socket = socket;
  if (auto stopped = stop_daemon(its_paths); !stopped) return give_up(stopped.error());
  const auto now = find_belongings(*paths, socket);  // the daemon removes some of its files when it stops
  if (!now) return give_up(now.error());
  const auto left = remove_belongings(*now, *models);
  if (!left) return give_up(left.error());
  for (const auto& folder : *left) {
    const bool has_models = folder == paths->support || folder.string().starts_with(paths->models.string());
    if (*models || !has_models) write_out(folder.string() + why_it_stays(folder));
  }
  write_out(*models ? "Removed MLXR's data.\n"
                    : "Removed MLXR's data, except the models in " + paths->models.string() + " and their registry.\n");
  write_out(how_to_remove_the_programs());
  return {};
}

}  // namespace

void add_uninstall(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("uninstall", "Removes the data of MLXR, and says how to remove the programs.");
  command->footer("Example: mlx uninstall --dry-run");
  command->add_flag("--dry-run", options->dry_run, "Show what would be removed, and remove nothing");
  command->add_flag("--yes", options->yes, "Do not ask, except about models");
  auto* models = command->add_flag("--models", options->models, "Remove the models as well, without asking");
  command->add_flag("--keep-models", options->keep_models, "Keep the models and the registry that lists them")->excludes(models);
  command->callback([&action, options] { action = [options] { return uninstall(*options); }; });
}

}  // namespace mlxr::cli
