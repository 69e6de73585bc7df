#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/daemon_process.h"

namespace mlxr::cli {

void add_serve(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("serve", "Runs the daemon, mlxrunnerd, in the foreground.");
  command->set_help_flag();  // --help is for mlxrunnerd
  command->prefix_command();
  command->callback([&action, command] {
    action = [command]() -> Status {
      auto program = find_daemon_program();
      if (!program) return give_up(program.error());
      std::vector<std::string> words = command->remaining();
      words.insert(words.begin(), program->string());
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      std::signal(SIGPIPE, SIG_DFL);  // an ignored signal would stay ignored in the new program
      execv(program->c_str(), arguments.data());
      return give_up(ExitCode::kDaemonUnavailable,
                     program->string() + " could not be started: " + std::generic_category().message(errno) + ".");
    };
  });
}

}  // namespace mlxr::cli
