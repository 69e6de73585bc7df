// SHA-256, as the bytes arrive.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "platform/open_file.h"

namespace mlxr::platform {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(const void* data, std::size_t size);
  std::string hex();  // 64 lower-case digits; ends the computation

 private:
  struct State;
  std::unique_ptr<State> state_;
};

bool is_sha256(std::string_view text);  // 64 lower-case hex digits

// The hash of an open file, from its beginning to its current end. Calls `progress` with the bytes read so far. Errors: kCancelled
// (`cancelled` was set), kIo.
Result<std::string> hash_file(const OpenFile& file, const std::function<void(std::uint64_t)>& progress = {},
                              const std::atomic<bool>* cancelled = nullptr);

// The same for a file by its path, which may be empty. Errors: also kNotFound, kPermission.
Result<std::string> hash_file(const std::filesystem::path& file, const std::function<void(std::uint64_t)>& progress = {},
                              const std::atomic<bool>* cancelled = nullptr);

}  // namespace mlxr::platform
