// Prevents a mapped file that loses pages from ending the process. If a mapped file is truncated, or its disk fails, the next access to a
// lost page raises SIGBUS. For a guarded mapping the signal handler maps a page of zeros there and records the loss, so that the reader
// continues and can find out afterwards that the data was invalid.
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
  // Guards a read-only mapping until the destructor runs, which must be before munmap. At most 64 mappings are guarded at a time; further
  // ones are not guarded.
  MappingGuard(const void* start, std::size_t bytes);
  ~MappingGuard();

  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;

 private:
  int slot_ = -1;
};

// False if a page of the guarded mapping that contains `address` was lost. True if `address` is in no guarded mapping.
bool mapping_is_intact(const void* address);

}  // namespace mlxr::platform
