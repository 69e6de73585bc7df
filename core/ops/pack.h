// Finds, checks and opens the CPU kernel pack (kernels/abi.h): a folder with a manifest.json and a shared library.
//
// A pack is used only if the manifest's abi is the engine's, the library's SHA-256 is the manifest's, the library
// has the variant that was asked for, and its self-check passes. Otherwise load() says why and the engine runs on MLX expressions.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
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

  // The pool for the thread that runs requests.
  mlxr_pool* pool() const { return pool_; }
  int threads() const { return threads_; }  // of a pool

  // Loads have a pool of their own, so that they never make an answer wait. A pool runs one operation at a time: loads take turns.
  //   pack.table().run(pack.loading_pool(), count, task, context);    // the turn ends with the statement
  class Turn {
   public:
    Turn(std::mutex& mutex, mlxr_pool* pool) : lock_(mutex), pool_(pool) {}
    operator mlxr_pool*() const { return pool_; }

   private:
    std::unique_lock<std::mutex> lock_;
    mlxr_pool* pool_;
  };
  Turn loading_pool() const { return {loading_, loading_pool_}; }

  // The default folder of a pack, relative to the folder of the program (or of libmlxrunner_core, if that is a shared
  // library): ../lib/kernels/cpu, ../lib/mlxrunner/kernels/cpu in a Linux package, ../Resources/kernels/cpu in an app.
  static std::filesystem::path default_folder();

 private:
  KernelPack() = default;

  void* library_ = nullptr;
  const mlxr_kernel_pack* table_ = nullptr;
  int threads_ = 0;
  mlxr_pool* pool_ = nullptr;
  mutable std::mutex loading_;  // guards loading_pool_
  mlxr_pool* loading_pool_ = nullptr;
};

}  // namespace mlxr::ops
