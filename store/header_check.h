// Looks at a model file while it arrives, so that what cannot run is refused in its first megabytes.
#pragma once

#include <cstdint>
#include <string>

#include <mlxrunner/result.h>

#include "store/partial_file.h"

namespace mlxr::store {

class HeaderCheck {
 public:
  explicit HeaderCheck(std::string shown_source) : source_(std::move(shown_source)) {}
  // Call after each piece; it reads the file once, when enough has arrived.
  // Errors: kCorrupt (no GGUF file: a web page, an archive), kUnsupported (a model that MLXR does not run).
  Result<void> look(const PartialFile& file);

 private:
  std::string source_;
  bool is_done_ = false;
};

}  // namespace mlxr::store
