#include "emulator.h"

#include <array>
#include <barrier>
#include <deque>
#include <thread>
#include <vector>

#include "metal_stdlib"

namespace mlxr::metal_emulator {
namespace {

constexpr unsigned kLanes = 32;

struct Simdgroup {
  std::barrier<> barrier{kLanes};
  std::array<float, kLanes> values{};
};

thread_local Simdgroup* this_simdgroup;
thread_local unsigned this_lane;
thread_local std::barrier<>* this_threadgroup;

}  // namespace

void dispatch(unsigned threadgroups, unsigned threads, const std::function<void(const Position&)>& kernel_function) {
  std::deque<Simdgroup> simdgroups(threads / kLanes);
  std::barrier threadgroup_end(threads);
  std::vector<std::jthread> workers;
  for (unsigned thread = 0; thread < threads; ++thread) {
    workers.emplace_back([&, thread] {
      this_simdgroup = &simdgroups[thread / kLanes];
      this_lane = thread % kLanes;
      this_threadgroup = &threadgroup_end;
      for (unsigned group = 0; group < threadgroups; ++group) {
        kernel_function({group, thread, thread % kLanes, thread / kLanes});
        threadgroup_end.arrive_and_wait();
      }
    });
  }
}

}  // namespace mlxr::metal_emulator

namespace metal {

using namespace mlxr::metal_emulator;

float simd_sum(float value) {
  this_simdgroup->values[this_lane] = value;
  this_simdgroup->barrier.arrive_and_wait();
  float sum = 0;
  for (const float each : this_simdgroup->values) sum += each;
  this_simdgroup->barrier.arrive_and_wait();  // nobody writes the next values before all have read these
  return sum;
}

void threadgroup_barrier(mem_flags) { this_threadgroup->arrive_and_wait(); }

}  // namespace metal
