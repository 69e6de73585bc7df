#include "store/partial_file.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

namespace mlxr::store {

using nlohmann::json;

static constexpr std::string_view kStateFile = "state.json";

namespace {

json read_state(const std::filesystem::path& file) {
  const auto text = platform::read_file(file, 1 << 20);
  auto state = text ? json::parse(*text, nullptr, false) : json::object();
  return state.is_object() ? state : json::object();
}

}  // namespace

std::string PartialFile::identity_in(const std::filesystem::path& folder) {
  const json state = read_state(folder / kStateFile);
  return state.contains("identity") && state["identity"].is_string() ? state["identity"].get<std::string>() : "";
}

std::vector<std::filesystem::path> PartialFile::files_in(const std::filesystem::path& folder) {
  const json state = read_state(folder / kStateFile);
  std::vector<std::filesystem::path> files;
  if (!state.contains("identity")) return files;
  std::error_code ec;
  const std::string name = state.contains("file") && state["file"].is_string() ? state["file"].get<std::string>() : "";
  for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    const auto other = it->path().filename().string();
    if (other == name || is_state(other)) files.push_back(it->path());
  }
  return files;
}

// A kill while it is written leaves state.json.XXXXXX.
bool PartialFile::is_state(const std::filesystem::path& file) { return file.filename().string().starts_with(kStateFile); }

Result<PartialFile> PartialFile::open(const std::filesystem::path& folder, std::string_view file, std::string_view identity,
                                      std::uint64_t most) {
  PartialFile p;
  p.path_ = folder / file;
  p.state_ = folder / kStateFile;
  p.identity_ = identity;
  p.most_ = most;
  p.fd_ = platform::FileDescriptor(::open(p.path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!p.fd_) return fail(platform::os_error(errno, "Cannot write " + p.path_.string()));
  const off_t length = ::lseek(p.fd_.get(), 0, SEEK_END);
  if (length < 0) return fail(ErrorCode::kIo, p.path_.string() + " is not a regular file. Remove it and pull again.");

  std::uint64_t keep = 0;
  const json state = read_state(p.state_);
  const auto number = [&](const char* key) {
    return state.contains(key) && state[key].is_number_unsigned() ? state[key].get<std::uint64_t>() : 0;
  };
  if (identity_in(folder) == identity && number("end") <= static_cast<std::uint64_t>(length)) {
    p.parts_ = number("parts");
    p.begin_ = number("end");
    if (state.contains("validator") && state["validator"].is_string()) p.validator_ = state["validator"].get<std::string>();
    keep = p.validator_.empty() ? p.begin_ : static_cast<std::uint64_t>(length);
  }
  if (auto ok = p.truncate(keep); !ok) return fail(ok.error());
  if (auto ok = p.hash_again(); !ok) return fail(ok.error());
  if (auto ok = p.save(); !ok) {
    if (p.size_ == 0) ::unlink(p.path_.c_str());  // without its state nobody knows whose it is
    return fail(ok.error());
  }
  return p;
}

Result<void> PartialFile::check_fits(std::uint64_t more) const {
  if (most_ == 0 || more <= most_ - std::min(most_, size_)) return {};
  return fail(ErrorCode::kCorrupt, path_.filename().string() + " should have " + std::to_string(most_) +
                                       " bytes, but its source sends more. The download was refused, and this response was discarded.");
}

Result<void> PartialFile::append(std::string_view data) {
  if (auto ok = check_fits(data.size()); !ok) return ok;
  if (auto ok = platform::write_all(fd_.get(), data, path_); !ok) return ok;
  hash_.update(data.data(), data.size());
  size_ += data.size();
  return {};
}

Result<void> PartialFile::restart_part() {
  validator_.clear();
  if (size_ == begin_) return save();
  if (auto ok = truncate(begin_); !ok) return ok;
  if (auto ok = hash_again(); !ok) return ok;
  return save();
}

Result<void> PartialFile::set_validator(std::string validator) {
  validator_ = std::move(validator);
  return save();
}

Result<void> PartialFile::finish_part() {
  if (auto synced = platform::sync_to_disk(fd_.get(), path_); !synced) return synced;
  ++parts_;
  begin_ = size_;
  validator_.clear();
  return save();
}

std::string PartialFile::sha256() { return hash_.hex(); }

Result<void> PartialFile::save() {
  const json state = {
      {"identity", identity_}, {"file", path_.filename().string()}, {"parts", parts_}, {"end", begin_}, {"validator", validator_}};
  return platform::write_file_atomically(state_, state.dump() + "\n");
}

Result<void> PartialFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return fail(platform::os_error(errno, "Cannot shorten " + path_.string()));
  size_ = size;
  return {};
}

// A SHA-256 computation cannot be rewound, so the kept bytes are read again.
Result<void> PartialFile::hash_again() {
  hash_ = platform::Sha256();
  std::vector<char> buffer(1 << 20);
  ::lseek(fd_.get(), 0, SEEK_SET);
  for (std::uint64_t left = size_; left > 0;) {
    const ssize_t n = ::read(fd_.get(), buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size())));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(platform::os_error(n < 0 ? errno : EIO, "Cannot read " + path_.string()));
    hash_.update(buffer.data(), static_cast<std::size_t>(n));
    left -= static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace mlxr::store
