#include "platform/sha256.h"

#include <cerrno>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

// OpenSSL uses the processor's SHA-256 instructions, libsodium does not: 1.7 and 0.36 GB/s. On Linux libcurl brings OpenSSL; macOS has no
// OpenSSL to link with.
#if defined(__APPLE__)
#include <sodium.h>
#else
#include <openssl/evp.h>
#endif

#include "platform/files.h"

namespace mlxr::platform {

#if defined(__APPLE__)
struct Sha256::State {
  State() { crypto_hash_sha256_init(&state); }
  void update(const void* data, std::size_t size) { crypto_hash_sha256_update(&state, static_cast<const unsigned char*>(data), size); }
  void finish(unsigned char* digest) { crypto_hash_sha256_final(&state, digest); }
  crypto_hash_sha256_state state;
};
#else
struct Sha256::State {
  State() { check(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void update(const void* data, std::size_t size) { check(EVP_DigestUpdate(context, data, size) == 1); }
  void finish(unsigned char* digest) { check(EVP_DigestFinal_ex(context, digest, nullptr) == 1); }
  // This fails only if OpenSSL is broken or out of memory.
  static void check(bool done) {
    if (!done) throw std::runtime_error("OpenSSL cannot compute a SHA-256.");
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
};
#endif

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(const void* data, std::size_t size) { state_->update(data, size); }

std::string Sha256::hex() {
  constexpr char kDigits[] = "0123456789abcdef";
  unsigned char digest[32];
  state_->finish(digest);
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool is_sha256(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

namespace {

Result<std::string> hash_descriptor(int fd, const std::filesystem::path& name, const std::function<void(std::uint64_t)>& progress,
                                    const std::atomic<bool>* cancelled) {
  Sha256 hash;
  std::vector<char> buffer(1 << 17);  // stays in a core's cache between the copy and the hash
  std::uint64_t done = 0;
  for (;;) {
    if (cancelled != nullptr && cancelled->load())
      return fail(ErrorCode::kCancelled, "Cancelled while " + name.string() + " was verified.");
    const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(os_error(errno, "Cannot read " + name.string()));
    if (n == 0) return hash.hex();
    hash.update(buffer.data(), static_cast<std::size_t>(n));
    done += static_cast<std::uint64_t>(n);
    if (progress) progress(done);
  }
}

}  // namespace

Result<std::string> hash_file(const OpenFile& file, const std::function<void(std::uint64_t)>& progress,
                              const std::atomic<bool>* cancelled) {
  return hash_descriptor(file.descriptor(), file.name(), progress, cancelled);
}

Result<std::string> hash_file(const std::filesystem::path& file, const std::function<void(std::uint64_t)>& progress,
                              const std::atomic<bool>* cancelled) {
  const auto fd = open_regular_file(file);
  if (!fd) return fail(fd.error());
  return hash_descriptor(fd->get(), file, progress, cancelled);
}

}  // namespace mlxr::platform
