// The commands of `mlx`, one file each. add_NAME puts the command and its options on the command line's parser; when the command line
// names it, the parser leaves in `action` what is to be done, and main runs that.
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
