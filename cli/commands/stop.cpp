#include <signal.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "platform/paths.h"

namespace mlxr::cli {
namespace {

constexpr auto kStopDeadline = std::chrono::seconds(60);  // the daemon lets running answers finish
constexpr auto kPollInterval = std::chrono::milliseconds(50);

bool is_running(pid_t pid) { return pid <= 0 || ::kill(pid, 0) == 0 || errno != ESRCH; }

Status stop_daemon(Client& client, const std::filesystem::path& socket) {
  const auto status = client.get("/mlxr/status");
  auto answer = status ? client.post("/mlxr/shutdown", nlohmann::json::object()) : status;
  if (!answer) {
    if (answer.error().exit_code != ExitCode::kDaemonUnavailable) return give_up(answer.error());
    write_out("mlxrunnerd is not running.\n");
    return {};
  }
  const auto pid = status->value("pid", pid_t{0});
  const auto until = std::chrono::steady_clock::now() + kStopDeadline;
  // The socket's file is the last thing that a daemon lets go of: a new one can start from then on. One that is killed meanwhile leaves it.
  std::error_code failed;
  while (std::filesystem::exists(socket, failed) && is_running(pid)) {
    if (interrupted()) return give_up(ExitCode::kInterrupted, "");
    if (std::chrono::steady_clock::now() > until) {
      return give_up(ExitCode::kFailure, "mlxrunnerd was asked to stop and is still there after " + std::to_string(kStopDeadline.count()) +
                                             " s: an answer may be running. See: mlx ps");
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  write_out("mlxrunnerd has stopped.\n");
  return {};
}

Status unload(Client& client, const std::string& model) {
  auto answer = client.post("/api/generate", {{"model", model}, {"keep_alive", 0}, {"stream", false}});
  if (!answer) return give_up(answer.error());
  write_out(model + " is unloaded.\n");
  return {};
}

}  // namespace

void add_stop(CLI::App& app, Action& action) {
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("stop", "Unloads a model from memory, or stops mlxrunnerd.");
  command->add_option("MODEL", *model, "The model to unload; without it, the daemon is stopped");
  command->callback([&action, model] {
    action = [model]() -> Status {
      auto paths = platform::Paths::from_environment();
      if (!paths) return give_up(paths.error());
      Client client(paths->socket);
      return model->empty() ? stop_daemon(client, paths->socket) : unload(client, *model);
    };
  });
}

}  // namespace mlxr::cli
