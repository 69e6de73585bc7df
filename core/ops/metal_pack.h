// Finds and checks the Metal kernel pack (kernels/metal): a folder with a manifest.json, and kernels.metallib, or the sources of the
// kernels where the pack was made without Apple's compiler. It is read on every platform and used on a Mac, by make_metal_ops.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

namespace mlxr::ops {

struct MetalPack {
  std::string version;
  std::filesystem::path library;                            // kernels.metallib; empty: compile the sources
  std::map<std::string, std::string, std::less<>> sources;  // each function's, in Metal's language; empty with a library

  // `functions` are those that the engine calls.
  // Errors: kNotFound (no pack in the folder), kVersion (another ABI), kCorrupt (manifest or hash), kUnsupported (a function is missing).
  static Result<MetalPack> load(const std::filesystem::path& folder, std::span<const std::string_view> functions);

  // Where the pack lies when nobody says otherwise, seen from the folder of the program: ../Resources/kernels in an app,
  // ../lib/kernels/metal.
  static std::filesystem::path default_folder();
};

}  // namespace mlxr::ops
