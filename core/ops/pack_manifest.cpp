#include "core/ops/pack_manifest.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/ops/installed.h"
#include "platform/sha256.h"

namespace mlxr::ops {

namespace fs = std::filesystem;

Result<nlohmann::json> read_pack_manifest(const fs::path& folder, std::uint32_t abi) {
  std::ifstream in(folder / "manifest.json");
  if (!in) return fail(ErrorCode::kNotFound, "There is no kernel pack in " + folder.string() + " (manifest.json is missing).");
  try {
    auto manifest = nlohmann::json::parse(in);
    const auto version = manifest.at("version").get<std::string>();
    const auto its_abi = manifest.at("abi").get<std::uint32_t>();
    if (its_abi != abi) {
      return fail(ErrorCode::kVersion, "The kernel pack " + version + " in " + folder.string() + " is for kernel ABI " +
                                           std::to_string(its_abi) + "; this engine needs " + std::to_string(abi) + ".");
    }
    return manifest;
  } catch (const nlohmann::json::exception& e) {
    return fail(ErrorCode::kCorrupt, "The kernel pack's manifest " + (folder / "manifest.json").string() + " is damaged: " + e.what());
  }
}

Result<fs::path> checked_pack_file(const fs::path& folder, const std::string& name, const std::string& sha256) {
  if (fs::path(name).filename() != name)
    return fail(ErrorCode::kCorrupt, "The kernel pack's manifest names a file outside of its folder: " + name);
  const fs::path file = folder / name;
  const auto digest = platform::hash_file(file);
  if (!digest) return fail(digest.error());
  if (*digest != sha256)
    return fail(ErrorCode::kCorrupt, "The kernel pack's " + file.string() + " does not match the hash in its manifest.");
  return file;
}

fs::path find_pack(std::initializer_list<const char*> folders) {
  const auto prefix = install_prefix();
  std::error_code failed;
  for (const char* folder : folders)
    if (fs::exists(prefix / folder / "manifest.json", failed)) return prefix / folder;
  return prefix / *std::prev(folders.end());
}

}  // namespace mlxr::ops
