// SHA-256, as the bytes arrive.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::platform {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t size);
  std::string hex();  // 64 lower-case digits; ends the computation

 private:
  alignas(8) std::array<std::byte, 128> state_;  // libsodium's state, kept out of this header
};

bool is_sha256(std::string_view text);  // 64 lower-case hex digits

// The hash of a file. `progress` hears the bytes read so far; a set `cancelled` ends it with kCancelled. Errors: kNotFound, kPermission,
// kIo.
Result<std::string> hash_file(const std::filesystem::path& file, const std::function<void(std::uint64_t)>& progress = {},
                              const std::atomic<bool>* cancelled = nullptr);

}  // namespace mlxr::platform
