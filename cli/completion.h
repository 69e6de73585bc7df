// Completion scripts for shells, generated from the parser's commands and options.
#pragma once

#include <string>
#include <string_view>

#include "cli/failure.h"

namespace CLI {
class App;
}

namespace mlxr::cli {

// What an argument of a command is completed with: its CLI::Option::type_name, which the help does not print for arguments.
constexpr char kCompletesModel[] = "installed model";
constexpr char kCompletesModelOrFile[] = "installed model or file";
constexpr char kCompletesAvailable[] = "available model";
constexpr char kCompletesFile[] = "file";
constexpr char kCompletesShell[] = "shell";

// Shells: "bash", "zsh", "fish". The output is deterministic. Failures: kUsage (another shell).
Outcome<std::string> completion_script(const CLI::App& app, std::string_view shell);

}  // namespace mlxr::cli
