#include "cli/daemon_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <thread>

#include "cli/client.h"
#include "cli/listener.h"
#include "cli/service_manager.h"
#include "daemon/config.h"
#include "platform/files.h"
#include "platform/links.h"
#include "platform/process.h"
#include "platform/running_daemon.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "mlxrunnerd";
constexpr auto kPollInterval = std::chrono::milliseconds(25);

// The text appended to a file since it had `from` bytes: at most its last kilobytes, without trailing empty lines.
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
  ::waitpid(pid, nullptr, WNOHANG);  // reaps it if this process started it
  return ::kill(pid, 0) == 0 || errno != ESRCH;
}

// A daemon that this program started as a child process.
class OwnDaemon {
 public:
  static Result<OwnDaemon> start(const fs::path& program, const fs::path& logs) {
    if (auto made = platform::make_folders(logs, 0700); !made) return fail(made.error());
    const fs::path log = logs / "mlxrunnerd.log";
    std::error_code failed;
    const std::uint64_t size = fs::exists(log, failed) ? fs::file_size(log, failed) : 0;
    const auto pid = platform::spawn_detached({.argv = {program.string()}}, log);
    if (!pid) return fail(pid.error());
    return OwnDaemon(*pid, log, size);
  }

  bool has_ended() const { return ::waitpid(pid_, nullptr, WNOHANG) == pid_; }
  std::string said() const { return written_since(log_, log_size_); }
  const fs::path& log() const { return log_; }

  // Why it ended.
  std::string reason() const {
    constexpr std::uint64_t kLittleSpace = 64 << 10;
    const std::string text = said();
    if (!text.empty()) return ":\n" + text + "\nThe whole log: " + log_.string();
    if (platform::free_space(log_).value_or(UINT64_MAX) < kLittleSpace) return ": the disk is full, and " + log_.string() + " is empty.";
    return ". Its log: " + log_.string();
  }

 private:
  OwnDaemon(pid_t pid, fs::path log, std::uint64_t log_size) : pid_(pid), log_(std::move(log)), log_size_(log_size) {}
  pid_t pid_;
  fs::path log_;
  std::uint64_t log_size_;  // before it wrote
};

}  // namespace

fs::path daemon_socket(const platform::Paths& paths) {
  const auto running = platform::running_daemon(platform::daemon_lock_file(paths));
  if (running && !running->socket.empty()) return running->socket;
  const auto config = daemon::effective_config(paths.config);
  return config && !config->uds.empty() ? config->uds : paths.socket;
}

Result<platform::Paths> client_paths() {
  auto paths = platform::Paths::from_environment();
  if (!paths) return paths;
  paths->socket = daemon_socket(*paths);
  if (auto short_enough = platform::check_socket_path(paths->socket); !short_enough) return fail(short_enough.error());
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
  const auto until = std::chrono::steady_clock::now() + deadline;
  const auto lock = platform::daemon_lock_file(paths);
  std::optional<OwnDaemon> own;
  bool is_service = false;
  for (;; std::this_thread::sleep_for(kPollInterval)) {
    const auto running = platform::running_daemon(lock);
    const auto socket = running && !running->socket.empty() ? running->socket : paths.socket;
    Client client(socket, cancelled);
    const bool ended =
        own && own->has_ended();  // checked before the request, because it may have exited in favor of another daemon, which answers
    const auto listener = find_listener(socket);
    if (!listener) return std::unexpected(ClientError(listener.error()));
    if (*listener && (own || is_service)) {
      if (client.is_alive()) {
        platform::make_links(paths, false);  // a sandboxed daemon may not create them; MLXR itself does not need them
        return {};
      }
    } else if (*listener) {
      // Do not start a second daemon because the first is slow: its error says what is wrong. A daemon that is stopping no longer
      // listens.
      const auto answer = client.get("/api/version");
      if (answer) return {};
      const auto still = find_listener(socket);
      if (answer.error().kind != ClientError::Kind::kNotRunning && still && *still) return std::unexpected(answer.error());
    }
    if (cancelled) return refused(ErrorCode::kCancelled, "");
    const bool is_over = std::chrono::steady_clock::now() > until;
    if (ended) {
      // Another daemon holds this data folder: it is starting, or finishing its answers before it stops.
      const bool gave_way = platform::running_daemon(lock) || own->said().contains("already running");
      if (!gave_way || is_over) return unavailable("mlxrunnerd exited while starting" + own->reason());
      own.reset();
      continue;
    }
    if (is_over) {
      if (own)
        return unavailable("mlxrunnerd was started but does not answer after " + std::to_string(deadline.count()) +
                           " s. Its log: " + own->log().string());
      return unavailable("mlxrunnerd" + (running ? " (pid " + std::to_string(running->pid) + ")" : std::string()) + " does not answer on " +
                         socket.string() + " after " + std::to_string(deadline.count()) +
                         " s. It may still be finishing an answer. To end it at once: kill " +
                         (running ? std::to_string(running->pid) : "PID"));
    }
    if (running || own || is_service) continue;

    const auto program = find_daemon_program();
    if (!program) return std::unexpected(ClientError(program.error()));
    const auto service = start_service(paths, *program, deadline, cancelled);
    if (!service && service.error().code == ErrorCode::kCancelled) return refused(ErrorCode::kCancelled, "");
    if (!service && !platform::running_daemon(lock)) return unavailable(service.error().message);
    is_service = service && *service == Started::kByService;
    if (!service || is_service) continue;
    auto started = OwnDaemon::start(*program, paths.logs);
    if (!started) return std::unexpected(ClientError(started.error()));
    own.emplace(std::move(*started));
  }
}

Answered<void> await_daemon(const platform::Paths& paths, std::chrono::seconds deadline, const std::atomic<bool>& cancelled) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  for (Client client(paths.socket, cancelled); !client.is_alive(); std::this_thread::sleep_for(kPollInterval)) {
    if (cancelled) return refused(ErrorCode::kCancelled, "");
    if (std::chrono::steady_clock::now() > until)
      return unavailable("mlxrunnerd was started but does not answer after " + std::to_string(deadline.count()) + " s.");
  }
  return {};
}

Answered<bool> stop_daemon(const platform::Paths& paths, std::chrono::seconds deadline, const std::atomic<bool>& cancelled) {
  const fs::path& socket = paths.socket;
  const auto lock = platform::daemon_lock_file(paths);
  Client client(socket, cancelled);
  const auto status = client.get("/mlxr/status");
  auto answer = status ? client.post("/mlxr/shutdown", nlohmann::json::object()) : status;
  if (!answer) {
    if (answer.error().kind != ClientError::Kind::kNotRunning) return std::unexpected(answer.error());
    if (!platform::running_daemon(lock)) return false;
  }
  const auto pid = status ? status->value("pid", pid_t{0}) : platform::running_daemon(lock).value_or(platform::RunningDaemon{}).pid;
  const auto until = std::chrono::steady_clock::now() + deadline;
  // A daemon removes its socket last; then a new one can start. A daemon that is killed leaves its socket behind.
  std::error_code failed;
  while ((answer && fs::exists(socket, failed) && is_running(pid)) || platform::running_daemon(lock)) {
    if (cancelled) return refused(ErrorCode::kCancelled, "");
    if (std::chrono::steady_clock::now() > until) {
      return unavailable("mlxrunnerd (pid " + std::to_string(pid) + ") was asked to stop but is still running after " +
                         std::to_string(deadline.count()) + " s: an answer may be running. To end it at once: kill " + std::to_string(pid));
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

}  // namespace mlxr::cli
