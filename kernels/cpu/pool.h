// Threads that run one operation at a time, and their scratch memory.
//
// Work is a number of chunks. Threads claim chunks one by one; the caller claims too, so an operation ends even when no worker is ever
// scheduled, and a worker that loses its core delays the caller by the one chunk it holds. Workers spin for a few microseconds between
// operations and then sleep.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/abi.h"

namespace mlxr::kernels {

inline constexpr int kSharedSlots = 2;

// Runs chunk `index` on `thread` (0: the caller). Must not throw.
using Task = void (*)(void* context, int64_t index, int thread);

mlxr_pool* pool_create(int32_t n_threads);
void pool_destroy(mlxr_pool* pool);
int pool_threads(const mlxr_pool* pool);

// Calls task for every index in [0, n_chunks) and returns when all are done. One chunk, or one thread: no synchronisation at all.
void pool_run(mlxr_pool* pool, int64_t n_chunks, Task task, void* context);

// Memory of at least `bytes`, aligned to 64, that stays valid until the next larger request for the same place. Ends the process when
// memory is exhausted: the contract has no error to return.
void* pool_scratch(mlxr_pool* pool, int thread, size_t bytes);  // of one thread
void* pool_shared(mlxr_pool* pool, int slot, size_t bytes);     // of the operation; for the caller, before pool_run

}  // namespace mlxr::kernels
