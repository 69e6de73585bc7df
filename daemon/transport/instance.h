// The daemon's place: a private folder, a lock that says who is there, and a listening socket in it.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

namespace mlxr::daemon {

// While it lives, this process is the only daemon on `socket`, and listens on it. Destroying it removes the socket.
class Instance {
 public:
  // Makes the folder (0700), takes the lock beside the socket (<socket>.lock, which holds the pid), removes a socket that a dead
  // daemon left, binds (0600) and listens.
  // Errors: kAlreadyExists (a daemon runs here, with its pid), kPermission (the folder is another user's, open to others, or not
  // writable), kIo, kInvalidArgument (something that is not a socket lies in its place, or the path is too long).
  static Result<Instance> claim(const std::filesystem::path& socket);

  Instance(Instance&& other) noexcept;
  Instance& operator=(Instance&&) = delete;
  ~Instance();

  // The listening descriptor, which the caller owns from now on.
  int release_listener();
  const std::filesystem::path& socket() const { return socket_; }

 private:
  Instance(std::filesystem::path socket, int lock) : socket_(std::move(socket)), lock_(lock) {}

  std::filesystem::path socket_;
  int lock_ = -1;
  int listener_ = -1;
};

// True when the process at the other end of a connected Unix socket runs as this process's user.
bool peer_is_same_user(int descriptor);

}  // namespace mlxr::daemon
