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

#include "core/ops/checked_files.h"
#include "core/ops/ops.h"
#include "platform/crc32c.h"
#include "platform/mapping_guard.h"
#include "platform/page_cache.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".panels", kTemporary = ".panels-part-";
constexpr const char* kNoPlace = "There is no folder where repacked weights are kept. Give them room with `cache` in server.yaml.";

// The first page of a file. The panels follow, and after them the checksums of the matrices, a uint32 for each.
struct Header {
  std::array<char, 8> magic;
  std::uint64_t size;      // of the panels
  std::uint64_t matrices;  // how many there are
};
constexpr std::array<char, 8> kMagic = {'M', 'L', 'X', 'R', 'P', 'N', 'L', '2'};
constexpr std::uint64_t kHeaderBytes = 4096;

std::shared_ptr<std::byte> map(std::uint64_t bytes, int protection, int flags, int fd) {
  void* start = ::mmap(nullptr, bytes, protection, flags, fd, 0);
  if (start == MAP_FAILED) return nullptr;
  // A file may be cut short while it is mapped, and its disk may fail.
  auto guard = fd < 0 ? nullptr : std::make_unique<platform::MappingGuard>(start, bytes);
  return {static_cast<std::byte*>(start), [bytes, guard = std::shared_ptr(std::move(guard))](std::byte* p) mutable {
            guard.reset();
            ::munmap(p, bytes);
          }};
}

// The panels in a mapped file, as a pointer that keeps the whole mapping alive.
std::shared_ptr<std::byte> after_header(const std::shared_ptr<std::byte>& file) { return {file, file.get() + kHeaderBytes}; }

// Allocates the file's space on the disk, so that a full disk is noticed before the work is done. Returns 0 or an errno.
int take_room(int fd, std::uint64_t bytes) {
#if defined(__APPLE__)
  fstore_t room{F_ALLOCATEALL, F_PEOFPOSMODE, 0, static_cast<off_t>(bytes), 0};
  return ::fcntl(fd, F_PREALLOCATE, &room) == 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
#else
  return ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
#endif
}

// Writes bytes at a place of a file. Returns 0 or an errno.
int write_at(int fd, std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    at += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

std::string_view text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Calls use(entry) for each entry of a folder that can be read.
template <class Use>
void each_entry(const fs::path& folder, Use use) {
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec); !ec && it != fs::directory_iterator(); it.increment(ec)) use(*it);
}

// Removes temporary files that a crash left behind: nobody holds their lock.
void remove_abandoned(const fs::path& folder) {
  each_entry(folder, [](const fs::directory_entry& entry) {
    if (entry.path().filename().string().find(kTemporary) == std::string::npos) return;
    if (platform::FileLock::acquire(entry.path())) ::unlink(entry.path().c_str());
  });
}

// Makes a new file with a temporary name, and locks it. Until it is locked, another process may take it for an abandoned one and remove it.
platform::FileDescriptor create_locked(const fs::path& name, fs::path& temporary) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::string pattern = name.string() + "-part-XXXXXX";
    platform::FileDescriptor fd(::mkstemp(pattern.data()));
    if (!fd) return fd;
    temporary = pattern;
    struct stat info{};
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(fd.get(), &info) == 0 && info.st_nlink > 0) return fd;
    ::unlink(pattern.c_str());
  }
  errno = EBUSY;
  return {};
}

}  // namespace

Panels::Panels(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options) : options_(std::move(options)) {
  for (const auto& tensor : tensors) {
    const auto bytes = ops.panel_bytes(tensor);
    if (bytes == 0) continue;
    if (!index_.emplace(std::pair(tensor.source, tensor.offset), matrices_.size()).second) continue;
    matrices_.push_back({.offset = size_, .bytes = bytes});
    size_ += bytes;
  }
  for (const auto& tensor : options_.paged) {
    const auto found = index_.find({tensor.source, tensor.offset});
    if (found != index_.end()) matrices_[found->second].paged = true;
  }
  if (!options_.folder.empty()) name_ = options_.folder / (options_.digest + "-" + ops.panel_layout() + std::string(kSuffix));
}

Result<std::unique_ptr<Panels>> Panels::open(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options) {
  std::unique_ptr<Panels> panels(new Panels(tensors, ops, std::move(options)));
  if (panels->size_ == 0) return panels;
  const auto& [folder, digest, limit, cancelled, paged] = panels->options_;
  if (!folder.empty() && !digest.empty()) {
    if (const auto made = platform::make_private_folder(folder); !made) {
      panels->not_kept(made.error().message);
    } else {
      remove_abandoned(folder);
      if (panels->map_kept()) return panels;
      if (auto go = panels->check_cancelled(); !go) return fail(go.error());
      if (panels->map_new()) return panels;
    }
  }
  if (!paged.empty()) return fail(ErrorCode::kNoSpace, panels->problem_.empty() ? kNoPlace : panels->problem_);
  panels->memory_ = map(panels->size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (!panels->memory_) {
    return fail(ErrorCode::kOverloaded, "There is not enough memory for the weights: " + std::to_string(panels->size_ >> 20) + " MiB.");
  }
  return panels;
}

Result<void> Panels::can_keep(std::span<const formats::Tensor> tensors, const Ops& ops, const PanelOptions& options) {
  if (options.folder.empty() || options.digest.empty()) return fail(ErrorCode::kUnsupported, kNoPlace);
  const Panels panels(tensors, ops, options);
  if (panels.size_ == 0) return fail(ErrorCode::kUnsupported, "The kernel pack is not in use, and only its weights can be kept.");
  const auto needed = panels.file_bytes();
  const auto takes = "The repacked weights take " + std::to_string(needed >> 20) + " MiB, and ";
  if (options.limit != 0 && needed > options.limit) {
    return fail(ErrorCode::kNoSpace,
                takes + "the limit of their cache is " + std::to_string(options.limit >> 20) + " MiB. Raise `cache` in server.yaml.");
  }
  std::error_code unknown;
  if (fs::file_size(panels.name_, unknown) == needed && !unknown) return {};
  remove_abandoned(options.folder);
  const auto free = platform::free_space(options.folder);
  if (!free) return fail(free.error());
  if (*free >= needed) return {};
  return fail(ErrorCode::kNoSpace, takes + "the disk of " + options.folder.string() + " has " + std::to_string(*free >> 20) + " MiB free.");
}

std::uint64_t Panels::file_bytes() const { return kHeaderBytes + size_ + sizeof(std::uint32_t) * matrices_.size(); }

bool Panels::map_kept() {
  const platform::FileDescriptor fd(::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid()) return false;
  Header header{};
  std::vector<std::uint32_t> checksums(matrices_.size());
  const std::uint64_t end = kHeaderBytes + size_, table = sizeof(std::uint32_t) * checksums.size();
  if (static_cast<std::uint64_t>(info.st_size) != file_bytes() || ::pread(fd.get(), &header, sizeof header, 0) != sizeof header ||
      header.magic != kMagic || header.size != size_ || header.matrices != checksums.size() ||
      ::pread(fd.get(), checksums.data(), table, static_cast<off_t>(end)) != static_cast<ssize_t>(table))
    return false;
  const auto file = map(end, PROT_READ, MAP_SHARED, fd.get());
  if (!file) return false;
  if (options_.paged.empty()) ::posix_madvise(file.get(), end, POSIX_MADV_WILLNEED);
  memory_ = after_header(file);
  auto& checked = CheckedFiles::all();
  const bool known = checked.contains(platform::FileStamp::of(info));
  const auto stamp = CheckedFiles::mark_used(fd.get());  // of before the check: what is written meanwhile is not what was checked
  if (!known && !matches(fd.get(), checksums)) {
    memory_.reset();
    return false;
  }
  checked.add(stamp);
  begin_paging();
  cached_ = true;
  return true;
}

bool Panels::matches(int fd, const std::vector<std::uint32_t>& checksums) const {
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    if (!check_cancelled()) return false;
    const auto& [offset, bytes, paged, written] = matrices_[i];
    const std::span panels(memory_.get() + offset, static_cast<std::size_t>(bytes));
    if (platform::crc32c(panels) != checksums[i]) return false;
    if (paged) platform::let_go(fd, kHeaderBytes + offset, panels.data(), panels.size());
  }
  return true;
}

void Panels::begin_paging() const {
  for (const auto& matrix : matrices_)
    if (matrix.paged) platform::read_pages_alone(memory_.get() + matrix.offset, static_cast<std::size_t>(matrix.bytes));
}

bool Panels::map_new() {
  fd_ = create_locked(name_, temporary_);
  if (!fd_) return not_kept(std::strerror(errno)), false;
  const int refused = take_room(fd_.get(), file_bytes());
  const Header header{kMagic, size_, matrices_.size()};
  const auto file = refused == 0 && platform::write_all(fd_.get(), text(std::as_bytes(std::span(&header, 1))), temporary_)
                        ? map(kHeaderBytes + size_, PROT_READ, MAP_SHARED, fd_.get())
                        : nullptr;
  if (!file) {
    not_kept(std::strerror(refused != 0 ? refused : errno));
    ::unlink(temporary_.c_str());
    fd_.reset();
    return false;
  }
  memory_ = after_header(file);
  begin_paging();
  return true;
}

Result<void> Panels::check_cancelled() const {
  if (options_.cancelled == nullptr || !*options_.cancelled) return {};
  return fail(ErrorCode::kCancelled, "The load was cancelled.");
}

void Panels::not_kept(std::string_view why) {
  problem_ = "The repacked weights cannot be kept in " + options_.folder.string() + ": " + std::string(why) + ".";
}

std::shared_ptr<const std::byte> Panels::find(const formats::Tensor& tensor) const {
  const auto found = index_.find({tensor.source, tensor.offset});
  return found == index_.end() ? nullptr : std::shared_ptr<const std::byte>(memory_, memory_.get() + matrices_[found->second].offset);
}

Result<void> Panels::write(const formats::Tensor& tensor, std::uint64_t at, std::span<const std::byte> piece) {
  if (auto go = check_cancelled(); !go) return go;
  Matrix& matrix = matrices_[index_.find({tensor.source, tensor.offset})->second];
  if (!fd_) {
    std::memcpy(memory_.get() + matrix.offset + at, piece.data(), piece.size());
    return {};
  }
  const int error = write_at(fd_.get(), kHeaderBytes + matrix.offset + at, piece);
  const Piece written{piece.size(), error == 0 ? platform::crc32c(piece) : 0};
  const std::lock_guard lock(writing_);
  if (error != 0) {
    write_failed_ = true;
    return fail(platform::os_error(error, "Cannot write " + temporary_.string()));
  }
  matrix.written.emplace(at, written);
  return {};
}

bool Panels::Matrix::is_whole() const {
  std::uint64_t end = 0;
  for (const auto& [at, piece] : written) end += piece.bytes;
  return end == bytes;
}

std::uint32_t Panels::Matrix::crc() const {
  std::uint32_t whole = 0;
  for (const auto& [at, piece] : written) whole = platform::crc32c_of_both(whole, piece.crc, piece.bytes);
  return whole;
}

void Panels::keep() {
  if (!fd_ || !std::ranges::all_of(matrices_, &Matrix::is_whole)) return;
  std::vector<std::uint32_t> checksums;
  for (const Matrix& one : matrices_) checksums.push_back(one.crc());
  if (::lseek(fd_.get(), static_cast<off_t>(kHeaderBytes + size_), SEEK_SET) < 0 ||
      !platform::write_all(fd_.get(), text(std::as_bytes(std::span(checksums))), temporary_))
    return not_kept("the disk refuses to write");
  publisher_ = std::thread([this] { publish(); });
}

void Panels::publish() const {
  if (platform::move_into_place(temporary_, name_)) {
    CheckedFiles::all().add(CheckedFiles::mark_used(fd_.get()));
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
  each_entry(options_.folder, [&](const fs::directory_entry& entry) {
    std::error_code ec;
    if (entry.path().extension() == kSuffix) kept.push_back({entry.last_write_time(ec), entry.file_size(ec), entry.path()});
  });
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
