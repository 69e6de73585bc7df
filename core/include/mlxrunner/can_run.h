// Checks whether the engine can run a model file; if it cannot, the error's message says why. Nothing is loaded: the description in the
// file's first megabytes is enough, so a program that downloads or imports models knows early that one cannot run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include <mlxrunner/result.h>

namespace mlxr {

// Errors: kUnsupported (architecture, feature, tensor type, a part of a split model, an adapter ...), kCorrupt, kNotFound, kPermission,
// kIo.
MLXR_API Result<void> can_run(const std::filesystem::path& file);

// The same from the first bytes of a file of `file_size` bytes, for example during its download. `name` begins the message.
// Returns nothing when `head` is too short to tell: call it again with more.
MLXR_API std::optional<Result<void>> can_run(std::span<const std::byte> head, std::uint64_t file_size, const std::string& name);

}  // namespace mlxr
