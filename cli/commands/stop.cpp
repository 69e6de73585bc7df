#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/daemon_process.h"
#include "cli/hand_over.h"
#include "cli/handshake.h"
#include "cli/terminal.h"
#include "platform/paths.h"
#include "store/model_file.h"
#include "store/model_ref.h"

namespace mlxr::cli {
namespace {

Status stop(const platform::Paths& paths) {
  if (const auto status = Client(paths.socket).get("/mlxr/status"); status && !is_idle(*status))
    say("Waiting for an answer that is being written...\n");
  auto stopped = stop_daemon(paths);
  if (!stopped) return give_up(stopped.error());
  write_out(*stopped ? "mlxrunnerd has stopped.\n" : "mlxrunnerd is not running.\n");
  return {};
}

// What the daemon calls the model. A file that cannot be opened any more may still be in memory, under the path that it had.
Answered<std::string> name_for_daemon(Client& client, const std::string& model) {
  const auto ref = store::ModelRef::parse(model, store::PathRule::kAny);
  if (!ref) return std::unexpected(ClientError(ref.error()));
  if (ref->kind != store::ModelRef::Kind::kPath) return model;
  std::error_code failed;
  const auto path = store::without_links(model, failed);
  const auto file = store::find_model_file(path);
  if (!file) return path.string();
  auto reference = hand_over(client, *file);
  const bool is_about_the_file = !reference && reference.error().kind == ClientError::Kind::kOther && !reference.error().was_cancelled();
  return is_about_the_file ? file->string() : std::move(reference);
}

Status unload(const std::filesystem::path& socket, const std::string& word) {
  Client client(socket);
  const auto model = name_for_daemon(client, word);
  const auto answer = model ? client.post("/api/generate", {{"model", *model}, {"keep_alive", 0}, {"stream", false}})
                            : Answered<nlohmann::json>(std::unexpected(model.error()));
  if (!answer && answer.error().kind == ClientError::Kind::kNotRunning) {
    write_out("mlxrunnerd is not running; no model is in memory.\n");
    return {};
  }
  if (!answer) return give_up(answer.error());
  write_out(word + " is unloaded.\n");
  return {};
}

}  // namespace

void add_stop(CLI::App& app, Action& action) {
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("stop", "Unloads a model from memory, or stops the daemon.");
  command->footer("Example: mlx stop smollm2:135m");
  command->add_option("MODEL", *model, "The model to unload, by name or path; without it, the daemon stops")
      ->type_name(kCompletesModelOrFile);
  command->callback([&action, model] {
    action = [model]() -> Status {
      auto paths = client_paths();
      if (!paths) return give_up(paths.error());
      return model->empty() ? stop(*paths) : unload(paths->socket, *model);
    };
  });
}

}  // namespace mlxr::cli
