#include "core/ops/metal_pack.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/ops/pack_manifest.h"
#include "kernels/metal/abi.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// `#define NAME VALUE` for each "NAME=VALUE", and then the file, under its own line numbers.
Result<std::string> source_of(const fs::path& file, const std::vector<std::string>& defines) {
  std::ostringstream source;
  for (const auto& define : defines) {
    const auto equals = define.find('=');
    source << "#define " << define.substr(0, equals) << ' ' << (equals == std::string::npos ? "1" : define.substr(equals + 1)) << '\n';
  }
  std::ifstream in(file);
  source << "#line 1\n" << in.rdbuf();
  if (!in) return fail(ErrorCode::kIo, file.string() + " cannot be read.");
  return std::move(source).str();
}

Result<MetalPack> load_checked(const fs::path& folder, const json& manifest, std::span<const std::string_view> functions) {
  MetalPack pack{.version = manifest.at("version").get<std::string>()};
  const auto form = manifest.at("form").get<std::string>();
  if (form != "metallib" && form != "sources")
    return fail(ErrorCode::kCorrupt, "The Metal kernel pack's form is '" + form + "', not metallib or sources.");
  std::map<std::string, fs::path> files;
  for (const auto& [name, sha256] : manifest.at("files").items()) {
    auto file = checked_pack_file(folder, name, sha256.get<std::string>());
    if (!file) return fail(file.error());
    files[name] = *file;
  }
  if (form == "metallib") pack.library = files.at("kernels.metallib");
  for (const auto name : functions) {
    const auto function = manifest.at("functions").find(name);
    if (function == manifest.at("functions").end())
      return fail(ErrorCode::kUnsupported, "The Metal kernel pack " + pack.version + " has no function " + std::string(name) + ".");
    if (form == "metallib") continue;
    auto source =
        source_of(files.at(function->at("kernel").get<std::string>() + ".metal"), function->at("defines").get<std::vector<std::string>>());
    if (!source) return fail(source.error());
    pack.sources.emplace(name, *std::move(source));
  }
  return pack;
}

}  // namespace

Result<MetalPack> MetalPack::load(const fs::path& folder, std::span<const std::string_view> functions) {
  const auto manifest = read_pack_manifest(folder, MLXR_METAL_ABI);
  if (!manifest) return fail(manifest.error());
  try {
    return load_checked(folder, *manifest, functions);
  } catch (const std::exception& e) {  // a field or a file that is not in the manifest
    return fail(ErrorCode::kCorrupt,
                "The Metal kernel pack's manifest " + (folder / "manifest.json").string() + " is damaged: " + e.what());
  }
}

fs::path MetalPack::default_folder() { return find_pack({"Resources/kernels", "lib/kernels/metal"}); }

}  // namespace mlxr::ops
