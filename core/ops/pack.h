// Finds, checks and opens the CPU kernel pack (kernels/abi.h): a folder with a manifest.json and a shared library.
//
// A pack is used only when all of this holds: the manifest's abi is the engine's, the library's SHA-256 is the manifest's, the library
// has the variant that was asked for, and its self-check passes. Otherwise load() says why and the engine runs on MLX expressions.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <mlxrunner/result.h>

#include "kernels/abi.h"

namespace mlxr::ops {

class KernelPack {
 public:
  // `variant` is "auto" or a variant's name. `threads` is at least 1.
  // Errors: kNotFound (no pack in the folder), kVersion (another ABI), kCorrupt (hash or self-check), kUnsupported (variant).
  static Result<std::shared_ptr<const KernelPack>> load(const std::filesystem::path& folder, const std::string& variant, int threads);
  ~KernelPack();

  const mlxr_kernel_pack& table() const { return *table_; }
  mlxr_pool* pool() const { return pool_; }
  int threads() const { return threads_; }

  // Where a pack lies when nobody says otherwise: kernels/cpu beside the program's own library folder (../lib/kernels/cpu).
  static std::filesystem::path default_folder();

 private:
  KernelPack() = default;

  void* library_ = nullptr;
  const mlxr_kernel_pack* table_ = nullptr;
  mlxr_pool* pool_ = nullptr;
  int threads_ = 1;
};

}  // namespace mlxr::ops
