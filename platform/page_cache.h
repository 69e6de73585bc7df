// Tells the system which pages of a mapped file are needed and which are not. All of it is advice: what is read is the same without it.
// Ranges may begin anywhere. All functions may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mlxr::platform {

// Begins to read a part of a mapped file into memory, and returns without waiting for it.
void read_ahead(const void* start, std::size_t bytes);

// A page of this part of a mapping says nothing about its neighbours: the system reads it alone, unless read_ahead() says more.
void read_pages_alone(const void* start, std::size_t bytes);

// Lets go of the pages of a part of a file that begins at byte `at` of it and is mapped at `start`. Pages that are not on the disk yet
// stay.
void let_go(int fd, std::uint64_t at, const void* start, std::size_t bytes);

}  // namespace mlxr::platform
