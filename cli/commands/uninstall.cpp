#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/daemon_process.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "platform/identity.h"
#include "platform/paths.h"
#include "platform/process.h"
#include "store/belongings.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using store::Belonging;
using store::Belongings;

struct Options {
  bool dry_run = false, yes = false, models = false, keep_models = false;
};

// What becomes of the programs is not for this user to decide: they may be root's.
std::string how_to_remove_the_programs() {
  const auto program = platform::running_program().value_or(fs::path());
  const std::string file = program.string();
  if (const auto at = file.find(".app/Contents/"); at != std::string::npos)
    return "The programs are still there. Move " + file.substr(0, at + 4) + " to the Trash.\n";
  if (file.starts_with("/usr/bin/")) return "The programs are still there. Remove them with: sudo apt remove mlxrunner\n";
  if (file.find("/Cellar/") != std::string::npos) return "The programs are still there. Remove them with: brew uninstall mlxrunner\n";
  return "The programs are still there. Delete the folder " + program.parent_path().parent_path().string() + "\n";
}

std::string models_of(const Belongings& all) {
  const auto size = format_bytes(all.model_bytes);
  if (all.model_count == 0) return "unfinished downloads (" + size + ")";
  return std::to_string(all.model_count) + (all.model_count == 1 ? " model (" : " models (") + size + ")";
}

void show(const std::vector<Belonging>& list) {
  Table table({{"SIZE", Align::kRight}, {"PATH"}});
  for (const auto& one : list) {
    std::error_code failed;
    table.add_row(
        {format_bytes(one.size), one.path.string() + (fs::is_symlink(one.path, failed) ? " (the link; what it points to stays)" : "")});
  }
  write_out(table.to_string());
}

// Whether the models go. Failures: kUsage (nobody can be asked), kFailure (the answer was no).
Outcome<bool> may_remove(const Belongings& all, const Options& options) {
  const bool asks_for_models = all.model_bytes > 0 && !options.models && !options.keep_models;
  if (!stdin_is_terminal() && (!options.yes || asks_for_models)) {
    return give_up(ExitCode::kUsage, std::string("uninstall asks before it removes anything, and there is no terminal. Say --yes") +
                                         (asks_for_models ? ", and --models or --keep-models for " + models_of(all) : "") + ".");
  }
  if (!options.yes && !ask_yes_no("Remove MLXR's data?")) return give_up(ExitCode::kFailure, "Nothing was removed.");
  if (asks_for_models) return ask_yes_no("Remove " + models_of(all) + " as well?");
  return !options.keep_models;
}

#if defined(__APPLE__)
// launchd would start the daemon again, whether the package's job, the app's or Homebrew's has it do so.
void forget_at_login() {
  for (const std::string label : kLaunchdJobs) {
    auto launchctl = platform::Child::spawn({.argv = {"/bin/launchctl", "bootout", "gui/" + std::to_string(getuid()) + "/" + label}});
    if (launchctl) launchctl->wait();  // it fails where the job is not loaded, which is as good
  }
}
#else
void forget_at_login() {}  // systemd does not start again what stopped by itself
#endif

Status uninstall(const Options& options) {
  const auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  const auto socket = daemon_socket(*paths);
  const auto found = store::find_belongings(*paths, socket);
  if (!found) return give_up(found.error());
  if (found->data.empty() && (found->models.empty() || options.keep_models)) {
    write_out("There is nothing of MLXR in your folders" + std::string(found->models.empty() ? "" : " but its models") + ".\n" +
              how_to_remove_the_programs());
    return {};
  }
  show(found->data);
  if (!options.keep_models) show(found->models);
  if (!found->in_place.empty()) write_out("Files that were imported stay where they are: " + std::to_string(found->in_place.size()) + "\n");
  if (options.dry_run) {
    write_out("Nothing was removed: this is what would be.\n" + how_to_remove_the_programs());
    return {};
  }
  const auto models = may_remove(*found, options);
  if (!models) return give_up(models.error());

  if (!paths->login_item.empty()) forget_at_login();  // with MLXR_HOME it is another daemon
  if (auto stopped = stop_daemon(socket); !stopped) return give_up(stopped.error());
  const auto now = store::find_belongings(*paths, socket);  // the daemon removes some of it when it stops
  if (!now) return give_up(now.error());
  const auto left = store::remove_belongings(*paths, *now, *models);
  if (!left) return give_up(left.error());
  for (const auto& folder : *left) write_out(folder.string() + " stays: it holds files that are not MLXR's own.\n");
  write_out(*models ? "MLXR's data is removed.\n"
                    : "MLXR's data is removed, but for its models in " + paths->models.string() + " and their registry.\n");
  write_out(how_to_remove_the_programs());
  return {};
}

}  // namespace

void add_uninstall(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("uninstall", "Removes the data of MLXR, and says how to remove the programs.");
  command->footer("Example: mlx uninstall --dry-run");
  command->add_flag("--dry-run", options->dry_run, "Show what would be removed, and remove nothing");
  command->add_flag("--yes", options->yes, "Do not ask; about models, see the next two");
  auto* models = command->add_flag("--models", options->models, "Remove the models as well, without asking");
  command->add_flag("--keep-models", options->keep_models, "Keep the models and the registry that lists them")->excludes(models);
  command->callback([&action, options] { action = [options] { return uninstall(*options); }; });
}

}  // namespace mlxr::cli
