#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/daemon_process.h"
#include "cli/format.h"
#include "cli/listener.h"
#include "cli/open_store.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

// Otherwise a removed model would stay in memory until it is idle. If the daemon cannot be reached, it keeps the model until then.
void unload(const std::string& model) {
  const auto paths = client_paths();
  if (!paths) return;
  if (const auto listener = find_listener(paths->socket); !listener || !*listener) return;
  const auto done = Client(paths->socket).post("/api/generate", {{"model", model}, {"keep_alive", 0}, {"stream", false}});
  if (!done) say("The model may still be in memory: " + done.error().message + "\n");
}

// A name without a model can belong to an unfinished download or a file in quarantine.
Status remove_leftovers(store::Store& store, const std::string& name, const Error& not_found) {
  std::uint64_t size = 0;
  bool is_there = false;
  for (const auto& one : store.leftovers()) {
    if (one.name != name) continue;
    is_there = true;
    size += one.size;
  }
  if (!is_there) return give_up(not_found);
  if (auto removed = store.remove(name); !removed) return give_up(removed.error());
  write_out("Removed the unfinished download of " + name + " (" + format_bytes(size) + ").\n");
  return {};
}

Status remove(store::Store& store, const std::string& name) {
  const auto model = store.find(name);
  if (!model) return remove_leftovers(store, name, model.error());
  unload(model->name);
  if (auto removed = store.remove(model->name); !removed) return give_up(removed.error());
  std::error_code failed;
  const bool stays = model->in_place && std::filesystem::exists(model->file, failed);
  write_out("Removed " + model->name + "." + (stays ? " Its file stays: " + model->file.string() : "") + "\n");
  return {};
}

// Continues after a failure. The exit code is that of the first failure.
Status remove_all(const std::vector<std::string>& names) {
  auto store = open_store();
  if (!store) return give_up(store.error());
  Status result;
  for (const std::string& name : names) {
    const auto removed = remove(**store, name);
    if (removed) continue;
    complain(removed.error().message);
    if (result) result = give_up(removed.error().exit_code, "");
  }
  return result;
}

}  // namespace

void add_rm(CLI::App& app, Action& action) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("rm", "Removes models. The files of imported models stay where they are.");
  command->footer("Example: mlx rm smollm2:135m");
  command->add_option("MODEL", *names, "Names of models")->required()->type_name(kCompletesModel);
  command->callback([&action, names] { action = [names] { return remove_all(*names); }; });
}

}  // namespace mlxr::cli
