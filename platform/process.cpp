#include "platform/process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include "platform/log_file.h"

extern char** environ;

namespace mlxr::platform {
namespace {

namespace fs = std::filesystem;

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> merged_environment(const Command& command) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto name = text.substr(0, text.find('='));
    const bool replaced =
        std::any_of(command.environment.begin(), command.environment.end(), [&](const auto& pair) { return pair.first == name; });
    if (!replaced) out.emplace_back(text);
  }
  for (const auto& [name, value] : command.environment) out.push_back(name + "=" + value);
  return out;
}

Result<pid_t> spawn_with(const Command& command, int output, short flags) {
  if (command.argv.empty()) return fail(ErrorCode::kInvalidArgument, "No program was named.");
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, command.folder.c_str());
#ifdef __APPLE__
  flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;  // closes what the actions above did not open
#else
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
#endif
  // The child would inherit ignored and blocked signals.
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, static_cast<short>(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));

  auto arguments = command.argv;
  // A relative path is relative to this process's working folder, not to the child's.
  std::error_code unknown;
  if (arguments[0].contains('/')) arguments[0] = fs::absolute(arguments[0], unknown).string();
  auto environment = merged_environment(command);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes, pointers_to(arguments).data(), pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail(os_error(error, "Cannot start " + command.argv[0]));
  return pid;
}

int exit_status(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw); }

}  // namespace

Result<Child> Child::spawn(const Command& command) {
  std::error_code ec;
  std::string name = (fs::temp_directory_path(ec) / "mlxr-output-XXXXXX").string();
  FileDescriptor output(::mkstemp(name.data()));
  if (!output) return fail(os_error(errno, "Cannot create a temporary file"));
  ::unlink(name.c_str());
  ::fcntl(output.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(output.get(), F_SETFL, O_APPEND);
  const auto pid = spawn_with(command, output.get(), POSIX_SPAWN_SETPGROUP);
  if (!pid) return fail(pid.error());
  return Child(*pid, std::move(output));
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)), status_(other.status_) {}

Child::~Child() {
  if (pid_ > 0 && !status_) {
    kill();
    wait();
  }
}

std::optional<int> Child::poll() {
  int raw = 0;
  if (!status_ && ::waitpid(pid_, &raw, WNOHANG) == pid_) status_ = exit_status(raw);
  return status_;
}

int Child::wait() {
  int raw = 0;
  while (!status_) {
    const pid_t ended = ::waitpid(pid_, &raw, 0);
    if (ended == pid_) status_ = exit_status(raw);
    if (ended < 0 && errno != EINTR) status_ = 127;  // another part of the program reaped it
  }
  return *status_;
}

void Child::kill() {
  if (pid_ <= 0 || status_) return;
  if (::kill(-pid_, SIGKILL) != 0) ::kill(pid_, SIGKILL);  // under qemu a child may not have its group yet
}

std::string Child::output() const {
  constexpr off_t kMost = 65536;
  const off_t size = ::lseek(output_.get(), 0, SEEK_END);
  std::string text(static_cast<std::size_t>(std::clamp<off_t>(size, 0, kMost)), '\0');
  const ssize_t n = ::pread(output_.get(), text.data(), text.size(), std::max<off_t>(0, size - kMost));
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

Result<pid_t> spawn_detached(const Command& command, const fs::path& log_file) {
  const auto log = open_log(log_file);
  if (!log) return fail(log.error());
  return spawn_with(command, log->get(), POSIX_SPAWN_SETSID);
}

Result<fs::path> running_program() {
  std::error_code ec;
#ifdef __APPLE__
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string name(size, '\0');
  if (_NSGetExecutablePath(name.data(), &size) != 0) return fail(ErrorCode::kIo, "The system does not say where this program is.");
  fs::path path = fs::canonical(name.c_str(), ec);
#else
  fs::path path = fs::read_symlink("/proc/self/exe", ec);
#endif
  if (ec) return fail(os_error(ec.value(), "Cannot find the file of this program"));
  return path;
}

bool is_program(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0;
}

std::vector<fs::path> programs_on_path(const std::string& name) {
  std::vector<fs::path> found;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && is_program(fs::path(folder) / name)) found.push_back(fs::path(folder) / name);
  return found;
}

}  // namespace mlxr::platform
