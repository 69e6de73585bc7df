// Whether the engine runs a model file, and if not, why, in a sentence. Nothing is loaded: a file's description, in its first megabytes,
// tells. For whoever offers, imports or downloads models, so that a file that cannot run is known before it is here.
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

// The same from the first bytes of a file of `file_size` bytes, for example while it is downloaded. `name` begins the sentence.
// Nothing when `head` ends too early to tell: call it again with more.
MLXR_API std::optional<Result<void>> can_run(std::span<const std::byte> head, std::uint64_t file_size, const std::string& name);

}  // namespace mlxr
