// Completion scripts for shells, made from the parser's own table of commands and options.
#pragma once

#include <string>
#include <string_view>

#include "cli/failure.h"

namespace CLI {
class App;
}

namespace mlxr::cli {

// What completes an argument of a command: the argument's CLI::Option::type_name, which the help does not print for arguments.
constexpr char kCompletesModel[] = "installed model";
constexpr char kCompletesModelOrFile[] = "installed model or file";
constexpr char kCompletesAvailable[] = "available model";
constexpr char kCompletesFile[] = "file";
constexpr char kCompletesShell[] = "shell";

// Shells: "bash", "zsh", "fish". The same table gives the same text. Failures: kUsage (another shell).
Outcome<std::string> completion_script(const CLI::App& app, std::string_view shell);

}  // namespace mlxr::cli
