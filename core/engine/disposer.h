// A thread that destroys models. The last pointer to a model may be released on any thread, also on the scheduler's, and under any lock.
// What follows (unmapping gigabytes, waiting for panels to reach the disk) must not happen there, so the pointer's deleter only hands the
// model over to this thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace mlxr::engine {

class Disposer : public std::enable_shared_from_this<Disposer> {
 public:
  static std::shared_ptr<Disposer> make() { return std::shared_ptr<Disposer>(new Disposer); }
  // Destroys everything that it was given, and returns when that is done.
  ~Disposer();

  Disposer(const Disposer&) = delete;
  Disposer& operator=(const Disposer&) = delete;

  // Wraps the object in a pointer whose last owner does not wait for the destructor. The pointer keeps the Disposer alive.
  template <class T>
  std::shared_ptr<T> watch(std::unique_ptr<T> object) {
    return std::shared_ptr<T>(object.release(), [self = shared_from_this()](T* gone) { self->dispose([gone] { delete gone; }); });
  }

 private:
  Disposer() : thread_([this] { run(); }) {}
  void dispose(std::function<void()> destroy);
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<std::function<void()>> waiting_;  // guarded by mutex_
  bool stopping_ = false;                       // guarded by mutex_
  std::thread thread_;
};

}  // namespace mlxr::engine
