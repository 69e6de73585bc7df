// Runs a kernel of kernels/metal, compiled as C++ against this folder's metal_stdlib, as a GPU would: a thread for each of a threadgroup's,
// in simdgroups of 32; threadgroups one after the other.
#pragma once

#include <functional>

namespace mlxr::metal_emulator {

// Where a thread finds itself: Metal's [[threadgroup_position_in_grid]], [[thread_index_in_threadgroup]] and so on.
struct Position {
  unsigned threadgroup, thread, lane, simdgroup;
};

// `threads`, of each threadgroup, is a multiple of 32.
void dispatch(unsigned threadgroups, unsigned threads, const std::function<void(const Position&)>& kernel);

}  // namespace mlxr::metal_emulator
