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
  // Call after each piece. The file is read again only when twice as much has arrived as at the last look.
  // Errors: kCorrupt (no GGUF file: a web page, an archive), kUnsupported (a model that the engine does not run, with the reason).
  // Any other fault is left to the verification of the whole file, whose hash decides whether the file is at fault or the download.
  Result<void> look(const PartialFile& file);

 private:
  std::string source_;
  std::uint64_t next_ = 4;  // bytes that must be here for the next look
};

}  // namespace mlxr::store
