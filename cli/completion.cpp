#include "cli/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

namespace mlxr::cli {
namespace {

enum class Operand { kNone, kModel, kModelOrFile, kAvailable, kFile };

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
  Operand operand;
};

// What a command's operand is, told by its name in the help.
Operand operand_of(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    if (option->get_name() == "PATH" || option->get_name() == "INPUT") return Operand::kFile;
    if (option->get_name() == "MODEL") {
      if (command.get_name() == "pull") return Operand::kAvailable;
      return command.get_name() == "run" ? Operand::kModelOrFile : Operand::kModel;
    }
  }
  return Operand::kNone;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Adds those that are not there yet.
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
    Command command{sub->get_name(), sub->get_description(), {}, {}, operand_of(*sub)};
    add_options(command.options, *sub);
    for (const CLI::App* child : commands_of(*sub)) {
      command.children.push_back(child->get_name());
      add_options(command.options, *child);
    }
    if (sub->get_name() == "completion") command.children = {"bash", "zsh", "fish"};
    table.push_back(std::move(command));
  }
  return table;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// Within '...' of a shell script.
std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
  return "'" + text + "'";
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
    if (command.operand == Operand::kModel || command.operand == Operand::kModelOrFile)
      cases += "      [[ $current == -* ]] || words=\"$(mlx list -q 2>/dev/null)\"\n";
    if (command.operand == Operand::kAvailable) cases += "      [[ $current == -* ]] || words=\"$(mlx list --available -q 2>/dev/null)\"\n";
    if (command.operand == Operand::kFile || command.operand == Operand::kModelOrFile) {
      cases += "      [[ $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n";
      if (command.operand == Operand::kFile) cases += "      [[ $current == -* ]] || return\n";
    }
    cases += "      ;;\n";
  }
  return "# bash completion for mlx; made by: mlx completion bash\n"
         "_mlx() {\n"
         "  local current words='" +
         names +
         "'\n"
         "  local line=\"${COMP_LINE:0:COMP_POINT}\"\n"
         "  COMPREPLY=()\n"
         "  current=\"${line##* }\"\n"
         "  [[ $COMP_CWORD -le 1 ]] || case \"${COMP_WORDS[1]}\" in\n" +
         cases +
         "  esac\n"
         "  local reply\n"
         "  mapfile -t reply < <(compgen -W \"$words\" -- \"$current\")\n"
         "  # bash splits words at a colon: it wants only what stands behind the last one\n"
         "  [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && reply=(\"${reply[@]#\"${current%:*}:\"}\")\n"
         "  COMPREPLY+=(\"${reply[@]}\")\n"
         "}\n"
         "complete -o filenames -F _mlx mlx\n";
}

std::string zsh(const std::vector<Command>& table, const std::vector<Option>& common) {
  std::string commands;
  std::string cases;
  const auto described = [](std::string text) {
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
    if (command.operand == Operand::kModel) cases += " \\\n        '*:model:_mlx_models'";
    if (command.operand == Operand::kModelOrFile) cases += " \\\n        '1:model:_mlx_models_or_files'";
    if (command.operand == Operand::kAvailable) cases += " \\\n        '1:model:_mlx_available'";
    if (command.operand == Operand::kFile) cases += " \\\n        '*:file:_files'";
    cases += "\n      ;;\n";
  }
  return "#compdef mlx\n"
         "# zsh completion for mlx; made by: mlx completion zsh\n"
         "_mlx_models() { local -a names; names=(${(f)\"$(mlx list -q 2>/dev/null)\"}); compadd -a names }\n"
         "_mlx_models_or_files() { _mlx_models; _files }\n"
         "_mlx_available() { local -a names; names=(${(f)\"$(mlx list --available -q 2>/dev/null)\"}); compadd -a names }\n"
         "_mlx() {\n"
         "  local -a commands\n"
         "  commands=(\n" +
         commands +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=${words[2]}\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $command in\n" +
         cases +
         "  esac\n"
         "}\n"
         "compdef _mlx mlx\n";
}

std::string fish(const std::vector<Command>& table, const std::vector<Option>& common) {
  std::string out = "# fish completion for mlx; made by: mlx completion fish\ncomplete -c mlx -f\n";
  const auto flags = [](const Option& option) {
    std::string text;
    for (const std::string& name : option.names) text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    return text + (option.takes_value ? " -x" : "") + " -d " + quoted(option.help) + "\n";
  };
  for (const Option& option : common) out += "complete -c mlx -n __fish_use_subcommand" + flags(option);
  for (const Command& command : table) {
    out += "complete -c mlx -n __fish_use_subcommand -a " + command.name + " -d " + quoted(command.help) + "\n";
  }
  for (const Command& command : table) {
    const std::string here = "complete -c mlx -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const Option& option : command.options) out += here + flags(option);
    if (!command.children.empty()) out += here + " -a '" + joined(command.children) + "'\n";
    if (command.operand == Operand::kModel || command.operand == Operand::kModelOrFile) out += here + " -a '(mlx list -q 2>/dev/null)'\n";
    if (command.operand == Operand::kAvailable) out += here + " -a '(mlx list --available -q 2>/dev/null)'\n";
    if (command.operand == Operand::kFile || command.operand == Operand::kModelOrFile) out += here + " -F\n";
  }
  return out;
}

}  // namespace

Outcome<std::string> completion_script(const CLI::App& app, std::string_view shell) {
  const auto table = table_of(app);
  std::vector<Option> common;
  add_options(common, app);
  if (shell == "bash") return bash(table, common);
  if (shell == "zsh") return zsh(table, common);
  if (shell == "fish") return fish(table, common);
  return give_up(ExitCode::kUsage, "There is no completion for " + std::string(shell) + "; there is one for bash, zsh and fish.");
}

}  // namespace mlxr::cli
