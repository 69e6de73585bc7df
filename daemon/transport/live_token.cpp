#include "daemon/transport/live_token.h"

#include "platform/secrets.h"

namespace mlxr::daemon {
namespace {

timespec changed_at(const struct stat& info) {
#ifdef __APPLE__
  return info.st_ctimespec;
#else
  return info.st_ctim;
#endif
}

bool is_the_same(const struct stat& a, const struct stat& b) {
  const auto one = changed_at(a), other = changed_at(b);
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && one.tv_sec == other.tv_sec &&
         one.tv_nsec == other.tv_nsec;
}

}  // namespace

Result<std::string> LiveToken::read() {
  const std::lock_guard lock(mutex_);
  const auto file = platform::token_file(paths_);
  struct stat now{};
  if (::lstat(file.c_str(), &now) == 0 && is_the_same(now, seen_)) return token_;
  token_ = platform::capability_token(paths_);
  // Taken before the file is read, so that the next call notices a change in between.
  seen_ = now;
  return token_;
}

}  // namespace mlxr::daemon
