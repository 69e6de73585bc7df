// The thread that runs requests: one step of one session at a time, in turns, so that every answer moves on.
//
// A session takes KV pages as it grows. When a model's pages run out, the session of that model that was admitted last gives its pages back
// and waits; later it reads its prompt, and what it had generated, once more. So the oldest session always finishes. Requests of one
// model are admitted in the order of their arrival, and never wait for another model.
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

  // False when the queue of its model is full.
  bool submit(std::unique_ptr<Session> session);
  // Fills in the counters.
  void report(EngineStatus& status) const;

 private:
  void run();
  void drop_cancelled();
  void admit_waiting();
  // One step of the session in front, which then goes to the back.
  void step_next();
  // Takes the pages that the session's next step needs, from younger sessions if none are free. False when the session is itself the
  // youngest and has to wait.
  bool make_room(Session& session, int part);
  // Gives the sessions' pages back and puts the sessions at the front of the queue.
  void send_back(std::list<std::unique_ptr<Session>> sessions);
  // Ends the session, a step of which has failed.
  void fail_step(Session& session, Error error);
  // A step has failed and the contents of its model's cache may be lost: all other sessions of the model start again.
  void restart_sessions_of(LoadedModel& model);
  void end(std::unique_ptr<Session> session);

  const int max_prompt_tokens_;
  const int max_queue_;
  const std::chrono::milliseconds target_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::unique_ptr<Session>> waiting_;  // guarded by mutex_
  EngineStatus counters_;                         // guarded by mutex_
  bool stopping_ = false;                         // guarded by mutex_
  std::list<std::unique_ptr<Session>> running_;   // the thread's own
  std::thread thread_;
};

}  // namespace mlxr::engine
