#include <CLI/CLI.hpp>

#include "cli/commands/commands.h"
#include "cli/daemon_log.h"
#include "cli/daemon_process.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::size_t lines = 100;
  bool follow = false;
  bool path = false;
};

Status show_log(const Options& options) {
  const auto paths = client_paths();
  if (!paths) return give_up(paths.error());
  const fs::path log = daemon_log(*paths);
  if (options.path) {
    write_out_raw(log.string() + "\n");
    return {};
  }
  TerminalFilter filter;
  const bool on_terminal = stdout_is_terminal();
  const auto print = [&](std::string_view text) { return write_out_raw(on_terminal ? filter.clean(text) : std::string(text)); };

  std::error_code failed;
  const std::uintmax_t size = fs::file_size(log, failed);
  if (failed && !options.follow)
    return give_up(ExitCode::kNotFound,
                   "No log yet: " + log.string() + ". A daemon that systemd started logs to its journal: journalctl --user -u mlxrunnerd");
  if (!failed) {
    const auto text = last_lines(log, options.lines);
    if (!text) return give_up(text.error());
    print(*text);
  }
  if (!options.follow) return {};
  follow(log, failed ? 0 : size, interrupted(), print);
  return {};  // Ctrl-C is the normal end
}

}  // namespace

void add_logs(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("logs", "Prints the log of the daemon.");
  command->footer("Example: mlx logs --follow");
  command->add_flag("-f,--follow", options->follow, "Print new lines as they are written, until Ctrl-C");
  command->add_option("-n,--lines", options->lines, "Print the last N lines (100)")->type_name("N");
  command->add_flag("--path", options->path, "Print where the log is");
  command->callback([&action, options] { action = [options] { return show_log(*options); }; });
}

}  // namespace mlxr::cli
