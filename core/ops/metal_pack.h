// Finds and checks the Metal kernel pack (kernels/metal): a folder with a manifest.json, and with kernels.metallib or, if the pack was made
// without Apple's compiler, the sources of the kernels. Every platform can read it; make_metal_ops uses it on a Mac.
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

  // `functions` are the functions that the engine calls.
  // Errors: kNotFound (no pack in the folder), kVersion (another ABI), kCorrupt (manifest or hash), kUnsupported (a function is missing).
  static Result<MetalPack> load(const std::filesystem::path& folder, std::span<const std::string_view> functions);

  // The default folder of the pack, relative to the folder of the program: ../Resources/kernels in an app, elsewhere
  // ../lib/kernels/metal.
  static std::filesystem::path default_folder();
};

}  // namespace mlxr::ops
