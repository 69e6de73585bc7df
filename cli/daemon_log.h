// The daemon's log file.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string_view>

#include "platform/paths.h"

namespace mlxr::cli {

std::filesystem::path daemon_log(const platform::Paths& paths);

// The last `lines` lines of a file. Errors: kNotFound, kPermission, kIo.
Result<std::string> last_lines(const std::filesystem::path& file, std::size_t lines);

// Passes text that is appended to `file` after byte `from` to `on_text`, until `cancelled` is set or `on_text` returns false. A file that
// was replaced or truncated is read from its beginning.
void follow(const std::filesystem::path& file, std::uintmax_t from, const std::atomic<bool>& cancelled,
            const std::function<bool(std::string_view)>& on_text);

}  // namespace mlxr::cli
