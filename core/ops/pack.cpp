#include "core/ops/pack.h"

#include <dlfcn.h>

#include <nlohmann/json.hpp>

#include "core/ops/pack_manifest.h"

namespace mlxr::ops {
namespace {

namespace fs = std::filesystem;

struct Manifest {
  std::string library, sha256;
};

Result<Manifest> read_manifest(const fs::path& folder) {
  const auto json = read_pack_manifest(folder, MLXR_KERNEL_ABI);
  if (!json) return fail(json.error());
  try {
    return Manifest{json->at("library").get<std::string>(), json->at("sha256").get<std::string>()};
  } catch (const nlohmann::json::exception& e) {
    return fail(ErrorCode::kCorrupt, "The kernel pack's manifest " + (folder / "manifest.json").string() + " is damaged: " + e.what());
  }
}

}  // namespace

Result<std::shared_ptr<const KernelPack>> KernelPack::load(const fs::path& folder, const std::string& variant, int threads) {
  const auto manifest = read_manifest(folder);
  if (!manifest) return fail(manifest.error());
  const auto library = checked_pack_file(folder, manifest->library, manifest->sha256);
  if (!library) return fail(library.error());

  std::shared_ptr<KernelPack> pack(new KernelPack);
  pack->library_ = dlopen(library->c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!pack->library_) return fail(ErrorCode::kCorrupt, std::string("The kernel pack cannot be opened: ") + dlerror());
  const auto open = reinterpret_cast<decltype(&mlxr_kernel_pack_open)>(dlsym(pack->library_, "mlxr_kernel_pack_open"));
  if (!open) return fail(ErrorCode::kCorrupt, library->string() + " is not a kernel pack: it does not export mlxr_kernel_pack_open.");
  pack->table_ = open(MLXR_KERNEL_ABI, variant.c_str());
  if (!pack->table_) {
    return fail(ErrorCode::kUnsupported, "The kernel pack has no variant '" + variant + "' that this processor can run.");
  }
  if (pack->table_->size != sizeof(mlxr_kernel_pack) || pack->table_->abi != MLXR_KERNEL_ABI) {
    return fail(ErrorCode::kVersion, "The kernel pack's library was built for another engine than its manifest says.");
  }
  if (const char* failing = pack->table_->self_check()) {
    return fail(ErrorCode::kCorrupt, std::string("The kernel pack failed its self-check: ") + failing + " computes a wrong result.");
  }
  pack->threads_ = threads;
  pack->pool_ = pack->table_->pool_create(threads);
  pack->loading_pool_ = pack->table_->pool_create(threads);
  if (!pack->pool_ || !pack->loading_pool_)
    return fail(ErrorCode::kIo, "The kernel pack could not start " + std::to_string(threads) + " threads.");
  return pack;
}

KernelPack::~KernelPack() {
  for (mlxr_pool* pool : {pool_, loading_pool_})
    if (pool) table_->pool_destroy(pool);
  if (library_) dlclose(library_);
}

fs::path KernelPack::default_folder() { return find_pack({"lib/mlxrunner/kernels/cpu", "Resources/kernels/cpu", "lib/kernels/cpu"}); }

}  // namespace mlxr::ops
