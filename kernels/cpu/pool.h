// Threads that run one operation at a time, and their scratch memory.
//
// An operation is divided into chunks. Threads claim chunks one by one; the caller claims too, so an operation ends even when no worker is
// ever scheduled, and a worker that loses its core delays the caller by the one chunk it holds. Workers spin for a few microseconds
// between operations and then sleep.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/abi.h"

namespace mlxr::kernels {

// Runs chunk `index` on `thread` (0: the caller). Must not throw.
using Task = void (*)(void* context, int64_t index, int thread);

mlxr_pool* pool_create(int32_t n_threads);
void pool_destroy(mlxr_pool* pool);
int pool_threads(const mlxr_pool* pool);

// Calls task for every index in [0, n_chunks) and returns when all are done. One chunk, or one thread: no synchronisation at all.
void pool_run(mlxr_pool* pool, int64_t n_chunks, Task task, void* context);

// The same for a function object: body(index, thread).
template <class Body>
inline void for_chunks(mlxr_pool* pool, int64_t n_chunks, const Body& body) {
  const auto task = [](void* context, int64_t index, int thread) { (*static_cast<const Body*>(context))(index, thread); };
  pool_run(pool, n_chunks, task, const_cast<Body*>(&body));
}

// Scratch memory, aligned to 64 bytes. An operation reserves all that it needs before its first pool_run, so that running out of memory is
// an answer to the caller and cannot happen in a worker. Returns false when memory is exhausted.
bool pool_reserve(mlxr_pool* pool, size_t bytes_per_thread, size_t shared_bytes);
// The memory that pool_reserve has reserved.
void* pool_scratch(const mlxr_pool* pool, int thread);  // one thread's own
void* pool_shared(const mlxr_pool* pool);               // the operation's

}  // namespace mlxr::kernels
