// The command line: understands command names of other tools and `help`; errors name the nearest command or option.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"

namespace mlxr::cli {

// Parses the words after the program's name and runs the command. Without words it prints the help.
// Failures: kUsage (not a valid command line; the sentence says what is wrong and the next step), and those of the command.
Status run_command_line(std::vector<std::string> words);

// The candidate that `word` most likely means: at most a third of its letters differ (inserted, missing, replaced or swapped with a
// neighbor). Empty if none is that close.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace mlxr::cli
