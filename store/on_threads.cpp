#include "store/on_threads.h"

#include <system_error>
#include <thread>
#include <vector>

namespace mlxr::store {

void on_threads(int count, const std::function<void()>& work) {
  std::vector<std::thread> helpers;
  try {
    for (int i = 1; i < count; ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // the system cannot create more threads: the existing ones do the work
  }
  work();
  for (auto& helper : helpers) helper.join();
}

}  // namespace mlxr::store
