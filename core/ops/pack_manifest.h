// manifest.json of a kernel pack, as far as all packs share it (kernels/README.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>

#include <mlxrunner/result.h>
#include <nlohmann/json_fwd.hpp>

namespace mlxr::ops {

// The manifest of the pack in a folder, an object with at least a version and the ABI version that the engine has.
// Errors: kNotFound (no manifest), kCorrupt (no JSON, or a field is missing), kVersion (another ABI).
Result<nlohmann::json> read_pack_manifest(const std::filesystem::path& folder, std::uint32_t abi);

// A file of the pack, whose SHA-256 is what the manifest says.
// Errors: kCorrupt (another hash, or a name that leads out of the folder); those of platform::hash_file.
Result<std::filesystem::path> checked_pack_file(const std::filesystem::path& folder, const std::string& name, const std::string& sha256);

// The first of these folders, seen from install_prefix(), that has a manifest; else the last.
std::filesystem::path find_pack(std::initializer_list<const char*> folders);

}  // namespace mlxr::ops
