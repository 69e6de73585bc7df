#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "cli/completion_templates.h"

namespace mlxr::cli {
namespace {

struct Option {
  std::vector<std::string> names;  // "--quiet", "-q"
  std::string help;
  bool takes_value;
};

struct Command {
  std::string name;
  std::string help;
  std::vector<Option> options;
  std::vector<std::string> children;
  std::string completes;  // kCompletes… of completion.h; empty: nothing
};

// What a command's arguments are completed with: the type of the first argument that has one.
std::string completes(const CLI::App& command) {
  constexpr std::array<std::string_view, 5> kKinds{kCompletesModel, kCompletesModelOrFile, kCompletesAvailable, kCompletesFile,
                                                   kCompletesShell};
  for (const CLI::Option* option : command.get_options()) {
    const std::string kind = option->get_positional() ? option->get_type_name() : "";
    if (std::ranges::find(kKinds, kind) != kKinds.end()) return kind;
  }
  return "";
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Adds the values that are missing.
void add_options(std::vector<Option>& options, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) continue;
    Option entry{{}, option->get_description(), option->get_items_expected_max() > 0};
    for (const std::string& name : option->get_lnames()) entry.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) entry.names.push_back("-" + name);
    if (std::ranges::find(options, entry.names, &Option::names) == options.end()) options.push_back(std::move(entry));
  }
}

std::vector<Command> table_of(const CLI::App& app) {
  std::vector<Command> table;
  for (const CLI::App* sub : commands_of(app)) {
    Command command{sub->get_name(), sub->get_description(), {}, {}, completes(*sub)};
    add_options(command.options, *sub);
    for (const CLI::App* child : commands_of(*sub)) {
      command.children.push_back(child->get_name());
      add_options(command.options, *child);
    }
    if (command.completes == kCompletesShell) command.children = {"bash", "zsh", "fish"};
    table.push_back(std::move(command));
  }
  return table;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// Escapes a text for '...' in a shell script.
std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

bool has_models(const Command& command) { return command.completes == kCompletesModel || command.completes == kCompletesModelOrFile; }
bool has_files(const Command& command) { return command.completes == kCompletesFile || command.completes == kCompletesModelOrFile; }

// A template with its placeholders replaced.
std::string filled(std::string_view script, const std::vector<std::pair<std::string_view, std::string>>& holes) {
  std::string out(script);
  for (const auto& [hole, text] : holes) out.replace(out.find(hole), hole.size(), text);
  return out;
}

std::string bash(const std::vector<Command>& table, const std::vector<Option>& common) {
  std::string names;
  for (const Option& option : common) names += (names.empty() ? "" : " ") + joined(option.names);
  std::string cases;
  for (const Command& command : table) {
    names += " " + command.name;
    std::string words = joined(command.children);
    for (const Option& option : command.options) words += (words.empty() ? "" : " ") + joined(option.names);
    cases += "    " + command.name + ")\n      words='" + words + "'\n";
    if (has_models(command)) cases += "      [[ $current == -* ]] || words=\"$(mlx list -q 2>/dev/null)\"\n";
    if (command.completes == kCompletesAvailable)
      cases += "      [[ $current == -* ]] || words=\"$(mlx list --available -q 2>/dev/null)\"\n";
    if (has_files(command)) {
      cases += "      [[ $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n";
      if (!has_models(command)) cases += "      [[ $current == -* ]] || return\n";
    }
    cases += "      ;;\n";
  }
  return filled(kBashTemplate, {{"@words@", names}, {"    # @cases@\n", cases}});
}

std::string zsh(const std::vector<Command>& table, const std::vector<Option>& common) {
  std::string commands;
  std::string cases;
  const auto described = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  for (const Option& option : common) {
    for (const std::string& name : option.names) commands += "    " + quoted(name + ":" + described(option.help)) + "\n";
  }
  for (const Command& command : table) {
    commands += "    " + quoted(command.name + ":" + described(command.help)) + "\n";
    cases += "    " + command.name + ")\n      _arguments";
    for (const Option& option : command.options) {
      for (const std::string& name : option.names) {
        cases += " \\\n        " + quoted("*" + name + "[" + described(option.help) + "]" + (option.takes_value ? ":value:" : ""));
      }
    }
    if (!command.children.empty()) cases += " \\\n        '1:what:(" + joined(command.children) + ")'";
    if (command.completes == kCompletesModel) cases += " \\\n        '*:model:_mlx_models'";
    if (command.completes == kCompletesModelOrFile) cases += " \\\n        '1:model:_mlx_models_or_files'";
    if (command.completes == kCompletesAvailable) cases += " \\\n        '1:model:_mlx_available'";
    if (command.completes == kCompletesFile) cases += " \\\n        '*:file:_files'";
    cases += "\n      ;;\n";
  }
  return filled(kZshTemplate, {{"    # @commands@\n", commands}, {"    # @cases@\n", cases}});
}

std::string fish(const std::vector<Command>& table, const std::vector<Option>& common) {
  const auto flags = [](const Option& option) {
    std::string text;
    for (const std::string& name : option.names) text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    return text + (option.takes_value ? " -x" : "") + " -d " + quoted(option.help) + "\n";
  };
  std::string commands;
  std::string cases;
  for (const Option& option : common) commands += "complete -c mlx -n __fish_use_subcommand" + flags(option);
  for (const Command& command : table) {
    commands += "complete -c mlx -n __fish_use_subcommand -a " + command.name + " -d " + quoted(command.help) + "\n";
    const std::string here = "complete -c mlx -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const Option& option : command.options) cases += here + flags(option);
    if (!command.children.empty()) cases += here + " -a '" + joined(command.children) + "'\n";
    if (has_models(command)) cases += here + " -a '(mlx list -q 2>/dev/null)'\n";
    if (command.completes == kCompletesAvailable) cases += here + " -a '(mlx list --available -q 2>/dev/null)'\n";
    if (has_files(command)) cases += here + " -F\n";
  }
  return filled(kFishTemplate, {{"# @commands@\n", commands}, {"# @cases@\n", cases}});
}

}  // namespace

Outcome<std::string> completion_script(const CLI::App& app, std::string_view shell) {
  const auto table = table_of(app);
  std::vector<Option> common;
  add_options(common, app);
  if (shell == "bash") return bash(table, common);
  if (shell == "zsh") return zsh(table, common);
  if (shell == "fish") return fish(table, common);
  return give_up(ExitCode::kUsage, "No completion script for '" + std::string(shell) + "'. Shells: bash, zsh, fish.");
}

}  // namespace mlxr::cli
