#include "core/formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

namespace mlxr::formats {
namespace {

// Names and vocabulary lie at the start of a model file and are read at once; weights are read when they are used.
constexpr std::size_t kReadAhead = std::size_t{16} << 20;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::unexpected<Error> system_failure(const std::string& name, const char* action, int error) {
  const std::string reason = std::generic_category().message(error);
  if (error == ENOENT || error == ENOTDIR) return fail(ErrorCode::kNotFound, "There is no file " + name + ".");
  if (error == EACCES || error == EPERM) {
    return fail(ErrorCode::kPermission, name + " cannot be read: " + reason + ". Give yourself read permission for it.");
  }
  return fail(ErrorCode::kIo, name + " cannot be " + action + ": " + reason + ".");
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  // O_NONBLOCK: opening a pipe must not wait for a writer. It has no effect on a regular file.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return system_failure(name, "opened", errno);

  struct stat info{};
  if (::fstat(file.fd, &info) != 0) return system_failure(name, "examined", errno);
  if (S_ISDIR(info.st_mode)) return fail(ErrorCode::kUnsupported, name + " is a folder. Name the .gguf file in it.");
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kUnsupported, name + " is not a regular file, so it cannot be mapped.");
  if (info.st_size == 0) return fail(ErrorCode::kCorrupt, name + " is empty. Download it again.");
  if (static_cast<std::uint64_t>(info.st_size) > std::numeric_limits<std::size_t>::max()) {
    return fail(ErrorCode::kUnsupported, name + " is too large for this machine's address space.");
  }

  const auto size = static_cast<std::size_t>(info.st_size);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) return system_failure(name, "mapped", errno);
  ::posix_madvise(start, std::min(size, kReadAhead), POSIX_MADV_WILLNEED);
  return MappedFile({static_cast<const std::byte*>(start), size});
}

void MappedFile::forget(std::span<const std::byte> part) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;  // whole pages of this part only
  const auto end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // of a private mapping that nobody writes
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace mlxr::formats
