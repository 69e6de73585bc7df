#include "cli/daemon_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "cli/client.h"
#include "cli/listener.h"
#include "daemon/config.h"
#include "platform/process.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "mlxrunnerd";
constexpr auto kPollInterval = std::chrono::milliseconds(25);

// What was appended to a file since it had `from` bytes, at most the last kilobytes, without empty lines at the end.
std::string written_since(const fs::path& file, std::uint64_t from) {
  constexpr std::uint64_t kMost = 2000;
  std::error_code failed;
  const std::uint64_t size = fs::file_size(file, failed);
  if (failed || size <= from) return "";
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(std::max(from, size - std::min(size, kMost))));
  std::ostringstream text;
  text << in.rdbuf();
  std::string out = text.str();
  out.erase(out.find_last_not_of(" \n\r\t") + 1);
  return out;
}

bool is_running(pid_t pid) {
  if (pid <= 0) return true;         // unknown
  ::waitpid(pid, nullptr, WNOHANG);  // where this process started it, it would stay a zombie
  return ::kill(pid, 0) == 0 || errno != ESRCH;
}

// Until the daemon answers, the time is over, or `is_hopeless` says so.
Answered<void> await(Client& client, std::chrono::seconds deadline, const std::atomic<bool>& cancelled,
                     const std::function<bool()>& is_hopeless) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (std::chrono::steady_clock::now() < until) {
    // Asked before the client: a daemon that gave way to another one, which answers, is no failure.
    const bool hopeless = is_hopeless();
    if (client.is_alive()) return {};
    if (cancelled) return refused(ErrorCode::kCancelled, "");
    if (hopeless) break;
    std::this_thread::sleep_for(kPollInterval);
  }
  return unavailable("mlxrunnerd was started and does not answer after " + std::to_string(deadline.count()) + " s.");
}

}  // namespace

fs::path daemon_socket(const platform::Paths& paths) {
  const auto config = daemon::effective_config(paths.config);
  return config && !config->uds.empty() ? config->uds : paths.socket;
}

Result<platform::Paths> client_paths() {
  auto paths = platform::Paths::from_environment();
  if (paths) paths->socket = daemon_socket(*paths);
  return paths;
}

Result<fs::path> find_daemon_program() {
  auto own = platform::running_program();
  if (!own) return fail(own.error());
  const fs::path beside = own->parent_path() / kProgram;
  if (platform::is_program(beside)) return beside;
  if (const auto found = platform::programs_on_path(kProgram); !found.empty()) return found[0];
  return fail(ErrorCode::kNotFound,
              "mlxrunnerd is neither at " + beside.string() + " nor on PATH. Install MLXR again, or build it with: make run");
}

Answered<void> ensure_daemon(const platform::Paths& paths, std::chrono::seconds deadline, const std::atomic<bool>& cancelled) {
  Client client(paths.socket, cancelled);
  // A daemon that listens and is slow is no reason to start a second one: its own error says what is wrong.
  const auto listener = find_listener(paths.socket);
  if (!listener) return std::unexpected(ClientError(listener.error()));
  if (*listener) {
    auto answer = client.get("/api/version");
    if (answer) return {};
    if (answer.error().kind != ClientError::Kind::kNotRunning) return std::unexpected(answer.error());
  }

  auto program = find_daemon_program();
  if (!program) return std::unexpected(ClientError(program.error()));
  std::error_code failed;
  fs::create_directories(paths.logs, failed);
  if (failed) return refused(ErrorCode::kPermission, "The folder " + paths.logs.string() + " cannot be made: " + failed.message() + ".");
  const fs::path log = paths.logs / "mlxrunnerd.log";
  const std::uint64_t log_size = fs::exists(log, failed) ? fs::file_size(log, failed) : 0;

  auto pid = platform::spawn_detached({.argv = {program->string()}}, log);
  if (!pid) return std::unexpected(ClientError(pid.error()));

  bool died = false;
  auto ready = await(client, deadline, cancelled, [&] { return died = waitpid(*pid, nullptr, WNOHANG) == *pid; });
  if (ready || ready.error().was_cancelled()) return ready;
  if (died) {
    const std::string said = written_since(log, log_size);
    return unavailable("mlxrunnerd ended while starting" + (said.empty() ? "." : ":\n" + said) + "\nThe whole log: " + log.string());
  }
  return unavailable(ready.error().message + " Its log: " + log.string());
}

Answered<void> await_daemon(const platform::Paths& paths, std::chrono::seconds deadline, const std::atomic<bool>& cancelled) {
  Client client(paths.socket, cancelled);
  return await(client, deadline, cancelled, [] { return false; });
}

Answered<bool> stop_daemon(const fs::path& socket, std::chrono::seconds deadline, const std::atomic<bool>& cancelled) {
  Client client(socket, cancelled);
  const auto status = client.get("/mlxr/status");
  auto answer = status ? client.post("/mlxr/shutdown", nlohmann::json::object()) : status;
  if (!answer) {
    if (answer.error().kind == ClientError::Kind::kNotRunning) return false;
    return std::unexpected(answer.error());
  }
  const auto pid = status->value("pid", pid_t{0});
  const auto until = std::chrono::steady_clock::now() + deadline;
  // The socket's file is the last thing that a daemon lets go of: a new one can start from then on. One that is killed meanwhile leaves it.
  std::error_code failed;
  while (fs::exists(socket, failed) && is_running(pid)) {
    if (cancelled) return refused(ErrorCode::kCancelled, "");
    if (std::chrono::steady_clock::now() > until) {
      return unavailable("mlxrunnerd was asked to stop and is still there after " + std::to_string(deadline.count()) +
                         " s: an answer may be running. See: mlx ps");
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

}  // namespace mlxr::cli
