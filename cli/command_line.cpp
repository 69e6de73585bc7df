#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "cli/commands/commands.h"
#include "cli/help.h"
#include "cli/root_warning.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

struct Word {
  std::string_view theirs;
  std::string_view ours;
};

// Other tools' names for commands of mlx.
constexpr std::array kSynonyms{Word{"ls", "list"},       Word{"remove", "rm"}, Word{"delete", "rm"}, Word{"chat", "run"},
                               Word{"download", "pull"}, Word{"get", "pull"},  Word{"log", "logs"},  Word{"info", "show"}};

constexpr std::string_view kRename =
    "A model keeps its name. To have it under another one: mlx pull MODEL --name NAME, or mlx import FILE --name NAME";

// Other tools' commands that mlx does not have, and what to do instead.
constexpr std::array kAdvice{
    Word{"search", "See the models that you can get by name: mlx list --available"},
    Word{"models", "See the models that you have: mlx list"},
    Word{"install", "To download a model: mlx pull MODEL"},
    Word{"load", "A model is loaded when it is first used: mlx run MODEL"},
    Word{"unload", "To unload a model from memory: mlx stop MODEL"},
    Word{"start", "The daemon starts when it is needed. To run it in the foreground: mlx serve"},
    Word{"daemon", "The daemon starts when it is needed. Its state: mlx status"},
    Word{"server", "To run the daemon in the foreground: mlx serve"},
    Word{"restart", "Stop the daemon with: mlx stop. The next mlx run starts it again."},
    Word{"create", "To use a GGUF file: mlx import FILE"},
    Word{"add", "To use a GGUF file: mlx import FILE. To download a model: mlx pull MODEL"},
    Word{"cp", "To give a file another name: mlx import FILE --name NAME"},
    Word{"copy", "To give a file another name: mlx import FILE --name NAME"},
    Word{"mv", kRename},
    Word{"rename", kRename},
    Word{"convert", "To make a smaller copy of a GGUF file: mlx quantize INPUT OUTPUT TYPE"},
    Word{"push", "Models are not uploaded: they stay on this machine."},
    Word{"login", "There are no accounts: nothing leaves this machine."},
    Word{"signin", "There are no accounts: nothing leaves this machine."},
    Word{"update", "Update MLXR the way you installed it (apt, brew, the app). To update a model: mlx pull MODEL"},
    Word{"upgrade", "Update MLXR the way you installed it (apt, brew, the app). To update a model: mlx pull MODEL"},
    Word{"config", "The settings are in server.yaml. Where it is: mlx doctor --install"},
};

// Other tools' names for options.
constexpr std::array kOptionSynonyms{Word{"context", "ctx"},
                                     Word{"num-ctx", "ctx"},
                                     Word{"ctx-size", "ctx"},
                                     Word{"context-length", "ctx"},
                                     Word{"num-predict", "max-tokens"},
                                     Word{"n-predict", "max-tokens"},
                                     Word{"temp", "temperature"},
                                     Word{"format", "json"},
                                     Word{"lines", "n"},
                                     Word{"accept-licence", "accept-license"}};

template <std::size_t N>
std::string_view find_word(const std::array<Word, N>& words, std::string_view theirs) {
  const auto found = std::ranges::find(words, theirs, &Word::theirs);
  return found == words.end() ? std::string_view() : found->ours;
}

std::vector<std::string> names_of_children(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; })) names.push_back(child->get_name());
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Translates command names of other tools into those of mlx.
std::vector<std::string> translated(std::vector<std::string> words) {
  if (words[0] == "-V") words[0] = "--version";
  if (words[0] == "help" && words.size() == 1) return {"--help"};
  if (words[0] == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (const auto ours = find_word(kSynonyms, words[0]); !ours.empty()) words[0] = ours;
  return words;
}

Failure unknown_command(const CLI::App& parent, const std::string& word) {
  std::string message = "Unknown command '" + word + "'.";
  const auto names = names_of_children(parent);
  const bool is_root = parent.get_parent() == nullptr;
  const auto advice = is_root ? find_word(kAdvice, word) : std::string_view();
  if (const std::string near = nearest(word, names); !advice.empty()) {
    message += " " + std::string(advice);
  } else if (!near.empty()) {
    message += " Did you mean: " + full_name(parent) + " " + near;
  } else if (!is_root) {
    message += " Commands: " + joined(names);
  }
  return {ExitCode::kUsage, message + (is_root ? "\nAll commands: mlx help" : "\nAll commands: " + full_name(parent) + " --help")};
}

std::string without_value(const std::string& option) { return option.substr(0, option.find('=')); }

Failure unknown_option(const CLI::App& command, const std::string& word) {
  const std::string option = without_value(word);
  std::string message = "Unknown option " + option + ".";
  std::vector<std::string> names;
  for (const CLI::Option* known : command.get_options())
    for (const std::string& name : known->get_lnames()) names.push_back(name);
  std::string bare = option.substr(std::min(option.find_first_not_of('-'), option.size()));
  std::ranges::replace(bare, '_', '-');
  const std::string ours(find_word(kOptionSynonyms, bare));
  const std::string near = std::ranges::find(names, ours) != names.end() ? ours : nearest(bare, names);
  if (!near.empty()) message += " Did you mean --" + near + "?";
  if (command.get_name() == "run") message += " To pass text that begins with a dash, put -- before it.";
  return {ExitCode::kUsage, message + "\nOptions: " + full_name(command) + " --help"};
}

Failure surplus(const CLI::App& command, const std::string& word) {
  return {ExitCode::kUsage, "Unexpected argument '" + word + "'.\nUsage: " + usage_of(command) + "\n" + command.get_footer()};
}

Failure missing(const CLI::App& command) {
  if (const auto names = names_of_children(command); !names.empty())
    return {ExitCode::kUsage, full_name(command) + " needs a command: " + joined(names) + "\n" + command.get_footer()};
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    if (option->get_required() && option->count() == 0) names.push_back(option->get_name());
  return {ExitCode::kUsage,
          full_name(command) + " needs " + joined(names) + ".\nUsage: " + usage_of(command) + "\n" + command.get_footer()};
}

// Explains an invalid value of an option.
std::string wrong_value(const CLI::App& command, const CLI::ParseError& error) {
  const std::string said = error.what();
  if (dynamic_cast<const CLI::ConversionError*>(&error) == nullptr) return said;
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0 && said.contains(option->get_name()))
      return option->get_name() + ": '" + option->results()[0] + "' is not a number.";
  return said;
}

// The innermost command that was parsed.
const CLI::App& deepest(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : deepest(*parsed.back());
}

Failure explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = deepest(app);
  if (const auto early = app.remaining(); !early.empty() && &command != &app)
    return {ExitCode::kUsage,
            "Options come after the command: " + full_name(command) + " " + early[0] + "\nOptions: " + full_name(command) + " --help"};
  if (const auto left = command.remaining(); !left.empty()) {
    if (left[0].starts_with('-') && left[0].size() > 1) return unknown_option(command, left[0]);
    return names_of_children(command).empty() ? surplus(command, left[0]) : unknown_command(command, left[0]);
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return missing(command);
  return {ExitCode::kUsage, wrong_value(command, error) + "\nOptions: " + full_name(command) + " --help"};
}

}  // namespace

Status run_command_line(std::vector<std::string> words) {
  CLI::App app;
  Action action;
  add_all_commands(app, action);
  if (words.empty()) {
    write_out(help_of(app));
    return {};
  }
  words = translated(std::move(words));
  const auto commands = names_of_children(app);
  if (!words[0].starts_with('-') && std::ranges::find(commands, words[0]) == commands.end()) return give_up(unknown_command(app, words[0]));
  std::ranges::reverse(words);  // the parser takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::CallForVersion& version) {
    write_out(std::string(version.what()) + "\n");
    return {};
  } catch (const CLI::Success&) {
    write_out(help_of(deepest(app)));
    return {};
  } catch (const CLI::ParseError& error) {
    return give_up(explain(app, error));
  }
  if (app.get_subcommands().front()->get_name() != "completion") warn_before_root_takes_a_home();  // a shell asks for it when it starts
  return action();
}

}  // namespace mlxr::cli
