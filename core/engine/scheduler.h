// The thread that runs requests: one step of one model at a time, in turns. Requests of a model are admitted in the order of their arrival
// and never wait for another model.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <mlxrunner/engine.h>

#include "core/engine/runner.h"
#include "core/engine/session.h"

namespace mlxr::engine {

class Scheduler {
 public:
  explicit Scheduler(const EngineOptions& options);
  ~Scheduler();  // cancels everything; returns when the step in progress has ended

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // False when the queue of its model is full.
  bool submit(std::unique_ptr<Session> session);
  // Fills in the counters.
  void report(EngineStatus& status) const;

 private:
  using Sessions = std::vector<std::unique_ptr<Session>>;

  void run();
  // Ends the requests whose clients have gone, or all.
  void end_cancelled(bool all = false);
  void admit_waiting();
  Runner& runner_of(const std::shared_ptr<LoadedModel>& model);
  void count_running();  // needs mutex_
  // One step of the model in front, which then goes to the back.
  void step_next();
  // Counts the sessions, which have ended, and destroys them.
  void retire(Sessions ended);

  const EngineOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::unique_ptr<Session>> waiting_;  // guarded by mutex_
  EngineStatus counters_;                         // guarded by mutex_
  bool stopping_ = false;                         // guarded by mutex_
  std::list<Runner> runners_;                     // the thread's own: of the models that have sessions
  std::thread thread_;
};

}  // namespace mlxr::engine
