// The thread that runs requests: one step of one session at a time, in turns, so that everybody's answer moves on.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include <mlxrunner/engine.h>

#include "core/engine/session.h"

namespace mlxr::engine {

class Scheduler {
 public:
  explicit Scheduler(const EngineOptions& options);
  ~Scheduler();  // cancels everything; returns when the step in progress has ended

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // False when the queue is full.
  bool submit(std::unique_ptr<Session> session);
  // Fills in the counters.
  void report(EngineStatus& status) const;

 private:
  void run();
  void drop_cancelled();
  void admit_waiting();
  // One step of the session in front, which then goes to the back.
  void step_next();
  void end(std::unique_ptr<Session> session);

  const int max_prompt_tokens_;
  const int max_queue_;
  const std::chrono::milliseconds target_;
  double prompt_tokens_per_ms_ = 0;  // measured; for the latency target

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::unique_ptr<Session>> waiting_;  // guarded by mutex_
  EngineStatus counters_;                         // guarded by mutex_
  bool stopping_ = false;                         // guarded by mutex_
  std::list<std::unique_ptr<Session>> running_;   // the thread's own
  std::thread thread_;
};

}  // namespace mlxr::engine
