// Starts other programs from an argument list, never through a shell. They inherit only the environment: all descriptors except stdin,
// stdout and stderr are closed, and signals have their default actions.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <mlxrunner/result.h>

#include "platform/files.h"

namespace mlxr::platform {

struct Command {
  std::vector<std::string> argv;                                 // argv[0] is looked up in PATH when it has no slash
  std::vector<std::pair<std::string, std::string>> environment;  // set on top of this process's own
  std::filesystem::path folder = "/";                            // the working folder, so that no program depends on the caller's
};

// A child process in its own process group. The destructor kills the group and waits. Use it from one thread at a time.
class Child {
 public:
  // stdin is /dev/null; stdout and stderr are captured together. Errors: kNotFound (no such program), kPermission, kIo.
  static Result<Child> spawn(const Command& command);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  std::optional<int> poll();   // the exit status if it has ended (128 + n for signal n), without waiting
  int wait();                  // waits for the exit status
  void kill();                 // ends the child and what it started
  std::string output() const;  // what it wrote so far, the last 64 KiB

 private:
  Child(pid_t pid, FileDescriptor output) : pid_(pid), output_(std::move(output)) {}
  pid_t pid_;
  FileDescriptor output_;
  std::optional<int> status_;
};

// Starts a program that outlives this one: in its own session, stdin from /dev/null, output appended to log_file (platform/log_file.h).
Result<pid_t> spawn_detached(const Command& command, const std::filesystem::path& log_file);

// The file of the program that is running.
Result<std::filesystem::path> running_program();

// A file that this user may run.
bool is_program(const std::filesystem::path& file);

// The programs with this name in the folders of PATH, in order.
std::vector<std::filesystem::path> programs_on_path(const std::string& name);

}  // namespace mlxr::platform
