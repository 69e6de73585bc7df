#include "platform/secrets.h"

#include <cerrno>

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/files.h"

namespace mlxr::platform {
namespace {

constexpr std::size_t kTokenBytes = 32;

Result<std::string> random_hex() {
  if (sodium_init() < 0) return fail(ErrorCode::kInternal, "libsodium cannot be initialized.");
  unsigned char bytes[kTokenBytes];
  randombytes_buf(bytes, sizeof(bytes));
  char hex[2 * kTokenBytes + 1];
  sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes));
  return std::string(hex);
}

Result<std::string> read_token(const std::filesystem::path& file) {
  struct stat info{};
  if (::lstat(file.c_str(), &info) != 0) return fail(os_error(errno, "Cannot read the token " + file.string()));
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0) {
    return fail(ErrorCode::kPermission,
                "The token " + file.string() + " can be read by other users. Delete it, and MLXR creates a new one.");
  }
  auto text = read_file(file, 4096);
  if (!text) return text;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->size() != 2 * kTokenBytes || text->find_first_not_of("0123456789abcdef") != std::string::npos) {
    return fail(ErrorCode::kCorrupt, "The token " + file.string() + " is damaged. Delete it, and MLXR creates a new one.");
  }
  return text;
}

}  // namespace

std::filesystem::path token_file(const Paths& paths) { return paths.support / "capability_token"; }

Result<std::string> capability_token(const Paths& paths) {
  const auto file = token_file(paths);
  auto token = read_token(file);
  if (token || token.error().code != ErrorCode::kNotFound) return token;

  if (auto made = make_private_folder(paths.support); !made) return fail(made.error());
  const auto fresh = random_hex();
  if (!fresh) return fresh;
  // link() fails when the name exists, so the first of several processes wins and the others read its token.
  const auto draft = file.string() + "." + std::to_string(::getpid());
  if (auto written = write_file_atomically(draft, *fresh + "\n", 0600); !written) return fail(written.error());
  const int linked = ::link(draft.c_str(), file.c_str());
  const int error = errno;
  ::unlink(draft.c_str());
  if (linked != 0 && error != EEXIST) return fail(os_error(error, "Cannot create the token " + file.string()));
  return read_token(file);
}

Result<std::string> rotate_capability_token(const Paths& paths) {
  if (auto made = make_private_folder(paths.support); !made) return fail(made.error());
  auto fresh = random_hex();
  if (!fresh) return fresh;
  if (auto written = write_file_atomically(token_file(paths), *fresh + "\n", 0600); !written) return fail(written.error());
  return fresh;
}

}  // namespace mlxr::platform
