// Work that several threads share.
#pragma once

#include <functional>

namespace mlxr::store {

// Calls `work` on so many threads, of which the caller's is one; on fewer where the system has no more. Returns when all calls have.
// `work` must not throw.
void on_threads(int count, const std::function<void()>& work);

}  // namespace mlxr::store
