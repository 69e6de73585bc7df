// Checks a model file while it is being downloaded, so that a model that cannot run is refused after its first megabytes.
#pragma once

#include <cstdint>
#include <string>

#include <mlxrunner/result.h>

#include "store/partial_file.h"

namespace mlxr::store {

class HeaderCheck {
 public:
  explicit HeaderCheck(std::string shown_source) : source_(std::move(shown_source)) {}
  // Call this after each piece. It reads the file again only when its size has doubled since the last check.
  // Errors: kCorrupt (not a GGUF file: a web page, an archive), kUnsupported (a model that the engine cannot run, with the reason).
  // Other problems are left to the verification of the whole file: its hash shows whether the file or the download is wrong.
  Result<void> look(const PartialFile& file);

 private:
  std::string source_;
  std::uint64_t next_ = 4;  // size at which to check next
};

}  // namespace mlxr::store
