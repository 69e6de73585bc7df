// The command line as people type it: other tools' words, `help`, and errors that name the nearest command or option.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"

namespace mlxr::cli {

// Parses the words after the program's name and runs the command that they name. Without words it prints the help.
// Failures: kUsage (the words make no command; the sentence says what is wrong and the next step), and those of the command.
Status run_command_line(std::vector<std::string> words);

// The candidate that `word` most likely means: at most a third of its letters differ (inserted, left out, exchanged or swapped with a
// neighbour). Empty when none is that close.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace mlxr::cli
