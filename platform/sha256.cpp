#include "platform/sha256.h"

#include <cerrno>
#include <new>
#include <vector>

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "platform/files.h"

namespace mlxr::platform {
namespace {

using State = crypto_hash_sha256_state;

State* state_in(std::array<std::byte, 128>& storage) { return std::launder(reinterpret_cast<State*>(storage.data())); }

}  // namespace

Sha256::Sha256() {
  static_assert(sizeof(State) <= sizeof(state_) && alignof(State) <= 8);
  crypto_hash_sha256_init(new (state_.data()) State);
}

void Sha256::update(const void* data, std::size_t size) {
  crypto_hash_sha256_update(state_in(state_), static_cast<const unsigned char*>(data), size);
}

std::string Sha256::hex() {
  unsigned char digest[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(state_in(state_), digest);
  char text[2 * sizeof(digest) + 1];
  return sodium_bin2hex(text, sizeof(text), digest, sizeof(digest));
}

bool is_sha256(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

Result<std::string> hash_file(const std::filesystem::path& file, const std::function<void(std::uint64_t)>& progress,
                              const std::atomic<bool>* cancelled) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(os_error(errno, "Cannot read " + file.string()));
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  std::uint64_t done = 0;
  for (;;) {
    if (cancelled != nullptr && cancelled->load())
      return fail(ErrorCode::kCancelled, "Cancelled while " + file.string() + " was verified.");
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "Cannot read " + file.string()));
    if (n == 0) return hash.hex();
    hash.update(buffer.data(), static_cast<std::size_t>(n));
    done += static_cast<std::uint64_t>(n);
    if (progress) progress(done);
  }
}

}  // namespace mlxr::platform
