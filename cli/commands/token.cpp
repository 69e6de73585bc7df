#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/json_output.h"
#include "cli/terminal.h"
#include "platform/paths.h"
#include "platform/secrets.h"

namespace mlxr::cli {
namespace {

using TokenFunction = Result<std::string> (*)(const platform::Paths&);

Status print_token(TokenFunction get, bool as_json) {
  auto paths = platform::Paths::from_environment();
  if (!paths) return give_up(paths.error());
  auto token = get(*paths);
  if (!token) return give_up(token.error());
  if (as_json) return print_json({{"token", *token}});
  write_out(*token + "\n");
  return {};
}

}  // namespace

void add_token(CLI::App& app, Action& action) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("token", "Shows or replaces the token that programs need over TCP.");
  command->footer("Example: mlx token show");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, TokenFunction get) {
    CLI::App* child = command->add_subcommand(name, help);
    child->footer(std::string("Example: mlx token ") + name);
    child->add_flag("--json", *as_json, "Print JSON");
    child->callback([&action, as_json, get] { action = [as_json, get] { return print_token(get, *as_json); }; });
  };
  add("show", "Prints the token; creates it the first time.", platform::capability_token);
  add("rotate", "Replaces the token and prints the new one.", platform::rotate_capability_token);
}

}  // namespace mlxr::cli
