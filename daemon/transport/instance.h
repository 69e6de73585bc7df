// Makes this process the daemon of a data folder: holds the lock of the folder, and a listening socket.
#pragma once

#include <filesystem>

#include <sys/stat.h>

#include <mlxrunner/result.h>

#include "platform/running_daemon.h"

namespace mlxr::daemon {

// While it lives, this process is the only daemon of its data folder and the only one on `socket`, and listens there. Destroying it
// removes the socket, if the file there is still its own.
class Instance {
 public:
  // Takes the lock of the data folder (platform/running_daemon.h) and the one beside the socket (<socket>.lock: two data folders may name
  // the same socket), removes a socket that a dead daemon left, binds (0600) and listens. Creates missing folders with mode 0700.
  // Errors: kAlreadyExists (a daemon runs here, with its pid; or another program listens on the socket), kPermission (a folder is another
  // user's, or others can write to it), kIo, kInvalidArgument (something that is not a socket is in its place, or the path is too long).
  static Result<Instance> claim(const std::filesystem::path& data_lock, const std::filesystem::path& socket);

  Instance(Instance&& other) noexcept;
  Instance& operator=(Instance&&) = delete;
  ~Instance();

  // Removes the socket, unless the file there is another daemon's by now. For an end without destructors.
  void remove_socket() const;

  // The listening descriptor; the caller takes ownership.
  int release_listener();
  const std::filesystem::path& socket() const { return socket_; }

  // False when the socket or the data folder's lock was removed or replaced (a logout removes $XDG_RUNTIME_DIR): no client can reach this
  // daemon any more, and another one may start. May be called from any thread.
  bool is_in_place() const;

 private:
  Instance(std::filesystem::path socket, platform::DaemonLock data_lock, platform::DaemonLock socket_lock)
      : socket_(std::move(socket)), data_lock_(std::move(data_lock)), socket_lock_(std::move(socket_lock)) {}

  std::filesystem::path socket_;
  platform::DaemonLock data_lock_, socket_lock_;  // released after the socket is removed
  int listener_ = -1;
  struct stat file_{};  // of the socket
};

// True when the process at the other end of a connected Unix socket runs as this process's user.
bool peer_is_same_user(int descriptor);

}  // namespace mlxr::daemon
