#include "core/ops/panels.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ops/ops.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".panels", kTemporary = ".panels-part-";

// The first page of a file; the panels follow.
struct Header {
  std::array<char, 8> magic;
  std::uint64_t size;  // of the panels
};
constexpr std::array<char, 8> kMagic = {'M', 'L', 'X', 'R', 'P', 'N', 'L', '1'};
constexpr std::uint64_t kHeaderBytes = 4096;

std::shared_ptr<std::byte> map(std::uint64_t bytes, int protection, int flags, int fd) {
  void* start = ::mmap(nullptr, bytes, protection, flags, fd, 0);
  if (start == MAP_FAILED) return nullptr;
  return {static_cast<std::byte*>(start), [bytes](std::byte* p) { ::munmap(p, bytes); }};
}

// The panels in a mapped file: they keep all of it.
std::shared_ptr<std::byte> after_header(const std::shared_ptr<std::byte>& file) { return {file, file.get() + kHeaderBytes}; }

// Takes the disk's room at once, so that a full disk is known before the work is done. 0, or an errno.
int take_room(int fd, std::uint64_t bytes) {
#if defined(__APPLE__)
  fstore_t room{F_ALLOCATEALL, F_PEOFPOSMODE, 0, static_cast<off_t>(bytes), 0};
  return ::fcntl(fd, F_PREALLOCATE, &room) == 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
#else
  return ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
#endif
}

std::string_view text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Files that a crash left: their lock is free.
void remove_abandoned(const fs::path& folder) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    if (entry.path().filename().string().find(kTemporary) == std::string::npos) continue;
    if (platform::FileLock::acquire(entry.path())) ::unlink(entry.path().c_str());
  }
}

}  // namespace

Result<std::unique_ptr<Panels>> Panels::open(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options) {
  std::unique_ptr<Panels> panels(new Panels);
  for (const auto& tensor : tensors) {
    const auto bytes = ops.panel_bytes(tensor);
    if (bytes == 0) continue;
    panels->offsets_.emplace(tensor.name, panels->size_);
    panels->size_ += bytes;
  }
  if (panels->size_ == 0) return panels;

  panels->options_ = std::move(options);
  const auto& [folder, digest, limit] = panels->options_;
  if (!folder.empty() && !digest.empty()) {
    panels->name_ = folder / (digest + "-" + ops.panel_layout() + std::string(kSuffix));
    if (const auto made = platform::make_private_folder(folder); !made) {
      panels->not_kept(made.error().message);
    } else {
      remove_abandoned(folder);
      if (panels->map_kept() || panels->map_new()) return panels;
    }
  }
  panels->memory_ = map(panels->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (!panels->memory_) {
    return fail(ErrorCode::kOverloaded, "There is not enough memory for the weights: " + std::to_string(panels->size_ >> 20) + " MiB.");
  }
  return panels;
}

bool Panels::map_kept() {
  const platform::FileDescriptor fd(::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid()) return false;
  Header header{};
  if (static_cast<std::uint64_t>(info.st_size) != kHeaderBytes + size_ || ::pread(fd.get(), &header, sizeof header, 0) != sizeof header ||
      header.magic != kMagic || header.size != size_)
    return false;
  const auto file = map(kHeaderBytes + size_, PROT_READ, MAP_SHARED, fd.get());
  if (!file) return false;
  ::utimensat(AT_FDCWD, name_.c_str(), nullptr, 0);  // used now, for trim()
  memory_ = after_header(file);
  cached_ = true;
  return true;
}

bool Panels::map_new() {
  std::string temporary = name_.string() + "-part-XXXXXX";
  fd_ = platform::FileDescriptor(::mkstemp(temporary.data()));
  if (!fd_) return not_kept(std::strerror(errno)), false;
  temporary_ = temporary;
  ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  const int refused = take_room(fd_.get(), kHeaderBytes + size_);
  const Header header{kMagic, size_};
  const auto file = refused == 0 && platform::write_all(fd_.get(), text(std::as_bytes(std::span(&header, 1))), temporary_)
                        ? map(kHeaderBytes + size_, PROT_READ, MAP_SHARED, fd_.get())
                        : nullptr;
  if (!file) {
    not_kept(std::strerror(refused != 0 ? refused : errno));
    ::unlink(temporary.c_str());
    fd_.reset();
    return false;
  }
  memory_ = after_header(file);
  return true;
}

void Panels::not_kept(std::string_view why) {
  problem_ =
      "The repacked weights cannot be kept in " + options_.folder.string() + ": " + std::string(why) + ". They are made at every load.";
}

std::shared_ptr<const std::byte> Panels::find(const formats::Tensor& tensor) const {
  const auto found = offsets_.find(tensor.name);
  return found == offsets_.end() ? nullptr : std::shared_ptr<const std::byte>(memory_, memory_.get() + found->second);
}

Result<void> Panels::write(const std::byte* at, std::span<const std::byte> piece) {
  const auto offset = at - memory_.get();
  if (fd_) {
    if (::lseek(fd_.get(), static_cast<off_t>(kHeaderBytes) + offset, SEEK_SET) < 0)
      return fail(platform::os_error(errno, "Cannot write " + temporary_.string()));
    return platform::write_all(fd_.get(), text(piece), temporary_);
  }
  std::memcpy(memory_.get() + offset, piece.data(), piece.size());
  return {};
}

void Panels::keep() {
  if (fd_) publisher_ = std::thread([this] { publish(); });
}

void Panels::publish() const {
  if (platform::move_into_place(temporary_, name_)) {
    trim();
  } else {
    ::unlink(temporary_.c_str());  // they are made again at the next load
  }
}

void Panels::trim() const {
  if (options_.limit == 0) return;
  struct Kept {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path file;
  };
  std::vector<Kept> kept;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(options_.folder, ec)) {
    if (entry.path().extension() == kSuffix) kept.push_back({entry.last_write_time(ec), entry.file_size(ec), entry.path()});
  }
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.used > b.used; });
  std::uint64_t total = 0;
  for (const auto& one : kept) {
    total += one.bytes;
    if (total > options_.limit && one.file != name_) ::unlink(one.file.c_str());
  }
}

Panels::~Panels() {
  if (publisher_.joinable()) {
    publisher_.join();
  } else if (fd_) {  // not all were filled
    ::unlink(temporary_.c_str());
  }
}

}  // namespace mlxr::ops
