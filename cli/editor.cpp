#include "cli/editor.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "platform/files.h"

extern char** environ;

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestText = 32UL * 1024 * 1024;

// The words of "code --wait".
std::vector<std::string> editor_command() {
  const char* chosen = std::getenv("VISUAL");
  if (chosen == nullptr || *chosen == '\0') chosen = std::getenv("EDITOR");
  std::istringstream words(chosen == nullptr ? "" : chosen);
  std::vector<std::string> command;
  for (std::string word; words >> word;) command.push_back(word);
  if (command.empty()) command.emplace_back("vi");
  return command;
}

// Runs it on this terminal and waits. Errors: kNotFound, kIo.
Result<void> run_editor(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes{};
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);  // an ignored signal would stay ignored in the editor
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0)
    return fail(ErrorCode::kNotFound, "Cannot start the editor '" + command[0] + "'. Choose another: EDITOR=nano mlx run MODEL");
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail(platform::os_error(errno, "Cannot wait for the editor"));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ErrorCode::kIo, "The editor '" + command[0] + "' failed; nothing was sent.");
  return {};
}

}  // namespace

Result<std::string> edit_text(const std::string& text) {
  std::error_code failed;
  const fs::path folder = fs::temp_directory_path(failed);
  std::string file = ((failed ? fs::path("/tmp") : folder) / "mlx-message-XXXXXX").string();
  const platform::FileDescriptor descriptor(mkstemp(file.data()));
  if (!descriptor) return fail(platform::os_error(errno, "Cannot create a temporary file for the editor"));
  auto command = editor_command();
  command.push_back(file);
  auto done = platform::write_all(descriptor.get(), text, file);
  if (done) done = run_editor(std::move(command));
  auto edited = done ? platform::read_file(file, kLongestText) : fail(done.error());
  fs::remove(file, failed);
  if (edited) edited->erase(edited->find_last_not_of("\r\n") + 1);
  return edited;
}

}  // namespace mlxr::cli
