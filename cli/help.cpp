#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string section(const std::string& title, const Rows& rows) {
  return rows.empty() ? "" : "\n" + title + ":\n" + columns(rows, text_width());
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

std::vector<const CLI::App*> children_of(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

}  // namespace

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

std::string display_name(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name();
  std::string out;
  for (const std::string& name : option.get_snames()) out += (out.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) out += (out.empty() ? "--" : ", --") + name;
  const std::string type = option.get_type_name();  // "N:INT in [1 - 1024]" with a check
  if (option.get_items_expected_max() > 0) out += " " + type.substr(0, type.find(':'));
  return out;
}

std::string usage_of(const CLI::App& command) {
  std::string out = full_name(command);
  if (!children_of(command).empty()) return out + " COMMAND";
  for (const CLI::Option* option : positionals_of(command)) {
    const std::string name = option->get_name() + (option->get_expected_max() > 1 ? "..." : "");
    out += option->get_required() ? " " + name : " [" + name + "]";
  }
  const auto options = command.get_options([](const CLI::Option* option) { return !option->get_positional(); });
  return options.size() > 1 ? out + " [OPTIONS]" : out;  // not for --help alone
}

std::string help_of(const CLI::App& command) {
  std::string out = wrapped(command.get_description(), text_width()) + "\nUsage: " + usage_of(command) + "\n";
  Rows arguments;
  for (const CLI::Option* option : positionals_of(command)) arguments.emplace_back(option->get_name(), option->get_description());
  Rows commands;
  for (const CLI::App* child : children_of(command)) commands.emplace_back(child->get_name(), child->get_description());
  Rows options;
  for (const CLI::Option* option : command.get_options())
    if (!option->get_positional()) options.emplace_back(display_name(*option), option->get_description());
  out += section("Arguments", arguments) + section("Commands", commands) + section("Options", options);
  return out + "\n" + command.get_footer() + "\n";
}

}  // namespace mlxr::cli
