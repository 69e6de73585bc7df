// Keeps a mapped file that loses its pages from ending the process. When a file is cut short, or its disk fails, after it was mapped, the
// next access to a lost page raises SIGBUS. For a guarded mapping the signal's handler puts a page of zeros there and takes a note, so that
// the reader goes on and can see afterwards that what it read is worth nothing.
//
//   const MappingGuard guard(start, bytes);
//   ... compute with what is mapped ...
//   if (!mapping_is_intact(start)) ...          // throw the results away
//
// The handler is installed with the first guard, and leaves every other SIGBUS to the handler that was there before. All functions may be
// called from any thread.
#pragma once

#include <cstddef>

namespace mlxr::platform {

class MappingGuard {
 public:
  // Guards a read-only mapping until the destructor runs, which must be before munmap. Up to 64 mappings are guarded at a time; one more is
  // simply not guarded.
  MappingGuard(const void* start, std::size_t bytes);
  ~MappingGuard();

  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

 private:
  int slot_ = -1;
};

// False when a page of the guarded mapping that holds `address` was lost. True for what is in no guarded mapping.
bool mapping_is_intact(const void* address);

}  // namespace mlxr::platform
