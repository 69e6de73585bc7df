// The commands of `mlx`, one file each. add_NAME adds the command and its options to the parser. When the command line names the command,
// the parser sets `action`, which run_command_line (cli/command_line.h) then calls.
#pragma once

#include <functional>

#include "cli/failure.h"

namespace CLI {
class App;
}

namespace mlxr::cli {

using Action = std::function<Status()>;

void add_run(CLI::App& app, Action& action);
void add_pull(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_quantize(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_show(CLI::App& app, Action& action);
void add_rm(CLI::App& app, Action& action);
void add_ps(CLI::App& app, Action& action);
void add_cache(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_logs(CLI::App& app, Action& action);
void add_stop(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_token(CLI::App& app, Action& action);
void add_completion(CLI::App& app, Action& action);
void add_uninstall(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

// All of them, in the order of the help.
void add_all_commands(CLI::App& app, Action& action);

}  // namespace mlxr::cli
