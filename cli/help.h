// The text of --help, the same with every version of the parser's library.
#pragma once

#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mlxr::cli {

std::string full_name(const CLI::App& command);       // "mlx token show"
std::string usage_of(const CLI::App& command);        // "mlx run MODEL [PROMPT]... [OPTIONS]"
std::string help_of(const CLI::App& command);         // description, usage, arguments, commands, options, example
std::string display_name(const CLI::Option& option);  // "-q, --quiet", "--seed N", "MODEL"

}  // namespace mlxr::cli
