// The parts of manifest.json that all kernel packs share (kernels/README.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>

#include <mlxrunner/result.h>
#include <nlohmann/json_fwd.hpp>

namespace mlxr::ops {

// Reads the manifest of the pack in a folder: an object with at least a version, and with the ABI version of the engine.
// Errors: kNotFound (no manifest), kCorrupt (not JSON, or a field is missing), kVersion (another ABI).
Result<nlohmann::json> read_pack_manifest(const std::filesystem::path& folder, std::uint32_t abi);

// The path of a file of the pack whose SHA-256 is the one in the manifest.
// Errors: kCorrupt (another hash, or a name that leads out of the folder); those of platform::hash_file.
Result<std::filesystem::path> checked_pack_file(const std::filesystem::path& folder, const std::string& name, const std::string& sha256);

// The first of these folders, relative to install_prefix(), that has a manifest; if none has, the last.
std::filesystem::path find_pack(std::initializer_list<const char*> folders);

}  // namespace mlxr::ops
