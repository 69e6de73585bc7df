// File functions: atomic writes, private folders, locks that end with their process.
// All functions may be called from any thread. Error messages name the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <mlxrunner/result.h>

namespace mlxr::platform {

// The Error for `errno_value`, for example os_error(EACCES, "Cannot read /etc/x") -> kPermission, "Cannot read /etc/x: Permission denied."
Error os_error(int errno_value, std::string what);

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  int release();
  void reset();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Whether something has this name; a link that leads nowhere counts. False when it cannot be told.
bool is_there(const std::filesystem::path& path);

// Opens a file for reading, following links. Never waits: a pipe would wait for a writer, and a device may never end.
// Errors: kNotFound, kPermission, kIo; kInvalidArgument when it is a folder, a pipe, a device or a socket.
Result<FileDescriptor> open_regular_file(const std::filesystem::path& file);

// The whole file. Errors: as open_regular_file(); kInvalidArgument when it is longer than max_bytes.
Result<std::string> read_file(const std::filesystem::path& file, std::uint64_t max_bytes);

// Replaces the content of `file` atomically: even after a power failure it has either its old content or all of `text`.
Result<void> write_file_atomically(const std::filesystem::path& file, std::string_view text, mode_t mode = 0644);

// Waits until the data written to `fd` is on the disk and survives a power failure. Errors: kNoSpace, kIo.
Result<void> sync_to_disk(int fd, const std::filesystem::path& file_for_the_error);

// Moves a finished file over `to` (same file system) and makes the move durable: syncs the file, renames it, syncs the folder.
Result<void> move_into_place(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes all of `data`, even if the system call writes only parts of it. Errors: kNoSpace, kIo.
Result<void> write_all(int fd, std::string_view data, const std::filesystem::path& file_for_the_error);

// Creates the folder and its missing parents, and syncs their entries, so that they survive a power failure if a file in them does. Errors:
// kPermission, kNoSpace, kIo.
Result<void> make_folders(const std::filesystem::path& folder, mode_t mode = 0755);

// Creates the folder with mode 0700, and its missing parents. A folder that exists is never changed: it must belong to this user, and
// nobody else may be able to write to it (others may read it). A link is followed when it belongs to this user or to root.
// `remedy` is appended to the message about an unusable folder.
// Errors: kPermission (another user's, a link of another user, or others can write to it; not allowed to create it), kIo.
Result<void> make_private_folder(const std::filesystem::path& folder, std::string_view remedy = "Choose another folder with MLXR_HOME.");

// Free bytes for this user on the file system of `path` (or of its closest existing parent).
Result<std::uint64_t> free_space(const std::filesystem::path& path);

// An exclusive lock on a file, between processes and between threads; released by the destructor and by the death of the process.
class FileLock {
 public:
  // Never waits. Creates the file (0600) if it does not exist. Errors: kAlreadyExists (the lock is held), kPermission, kIo.
  static Result<FileLock> acquire(const std::filesystem::path& file);

 private:
  explicit FileLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace mlxr::platform
