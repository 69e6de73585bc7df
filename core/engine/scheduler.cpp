#include "core/engine/scheduler.h"

#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <set>

namespace mlxr::engine {
namespace {

// Sessions of one model that run at the same time. More would only make each of them slower.
constexpr int kMostRunning = 16;

// Moves the cancelled sessions of a list or queue to `dropped`.
template <class Sessions>
void take_cancelled(Sessions& sessions, std::vector<std::unique_ptr<Session>>& dropped) {
  for (auto it = sessions.begin(); it != sessions.end();) {
    if (!(*it)->cancelled()) {
      ++it;
      continue;
    }
    dropped.push_back(std::move(*it));
    it = sessions.erase(it);
  }
}

}  // namespace

Scheduler::Scheduler(const EngineOptions& options)
    : max_prompt_tokens_(options.max_batch_tokens),
      max_queue_(options.max_queue),
      target_(options.target_latency_ms),
      thread_([this] { run(); }) {}

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool Scheduler::submit(std::unique_ptr<Session> session) {
  {
    std::lock_guard lock(mutex_);
    const auto of_model = [&](const auto& other) { return &other->model() == &session->model(); };
    if (std::ranges::count_if(waiting_, of_model) >= max_queue_) return false;
    waiting_.push_back(std::move(session));
  }
  work_.notify_one();
  return true;
}

void Scheduler::report(EngineStatus& status) const {
  std::lock_guard lock(mutex_);
  const auto kernels = std::move(status.kernels);
  status = counters_;
  status.kernels = kernels;
  status.waiting = static_cast<int>(waiting_.size());
}

void Scheduler::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !running_.empty(); });
      if (stopping_) break;
    }
    drop_cancelled();
    admit_waiting();
    if (!running_.empty()) step_next();
  }
  for (auto& session : running_) session->finish(FinishReason::kCancelled);
  running_.clear();
  std::deque<std::unique_ptr<Session>> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (auto& session : waiting) session->finish(FinishReason::kCancelled);
}

void Scheduler::drop_cancelled() {
  std::vector<std::unique_ptr<Session>> dropped;
  take_cancelled(running_, dropped);
  {
    std::lock_guard lock(mutex_);
    take_cancelled(waiting_, dropped);
    counters_.cancelled += dropped.size();
  }
  for (auto& session : dropped) {
    session->finish(FinishReason::kCancelled);
    end(std::move(session));
  }
}

// First come, first served, model by model: a request that does not fit holds up the later ones of its own model only.
void Scheduler::admit_waiting() {
  std::map<const LoadedModel*, int> running;
  for (const auto& session : running_) ++running[&session->model()];
  std::set<const LoadedModel*> full;
  std::lock_guard lock(mutex_);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const LoadedModel* model = &(*it)->model();
    int& beside = running[model];
    if (full.contains(model) || beside >= kMostRunning || !(*it)->admit(beside)) {
      full.insert(model);
      ++it;
      continue;
    }
    ++beside;
    running_.push_back(std::move(*it));
    it = waiting_.erase(it);
  }
  counters_.running = static_cast<int>(running_.size());
}

void Scheduler::step_next() {
  auto session = std::move(running_.front());
  running_.pop_front();
  auto& pace = session->model().pace();
  const int part = target_.count() > 0 && !running_.empty() ? pace.part_within(target_, max_prompt_tokens_) : max_prompt_tokens_;

  bool more = false;
  try {
    if (!make_room(*session, part)) {
      std::list<std::unique_ptr<Session>> youngest;
      youngest.push_back(std::move(session));
      return send_back(std::move(youngest));
    }
    const auto begin = Clock::now();
    const auto progress = session->step(part);
    pace.measured(progress.prompt_tokens, Clock::now() - begin);
    more = progress.more;
  } catch (const std::bad_alloc&) {
    fail_step(*session,
              {ErrorCode::kOverloaded, "There is not enough memory to go on with this answer. Unload a model, or close other programs."});
  } catch (const std::exception& e) {
    fail_step(*session, {ErrorCode::kInternal, std::string("The engine could not compute a step: ") + e.what()});
  }
  if (more) {
    running_.push_back(std::move(session));
  } else {
    end(std::move(session));
  }
}

void Scheduler::fail_step(Session& session, Error error) {
  if (!session.model().computes_at_once()) restart_sessions_of(session.model());
  session.finish(FinishReason::kError, std::move(error));
}

bool Scheduler::make_room(Session& session, int part) {
  while (!session.take_pages(part)) {
    auto youngest = running_.end();
    for (auto it = running_.begin(); it != running_.end(); ++it) {
      if (&(*it)->model() == &session.model() && (youngest == running_.end() || (*it)->arrival() > (*youngest)->arrival())) youngest = it;
    }
    if (youngest == running_.end() || (*youngest)->arrival() < session.arrival()) return false;
    std::list<std::unique_ptr<Session>> one;
    one.splice(one.begin(), running_, youngest);
    send_back(std::move(one));
  }
  return true;
}

void Scheduler::send_back(std::list<std::unique_ptr<Session>> sessions) {
  for (auto& session : sessions) session->give_back_pages();
  std::lock_guard lock(mutex_);
  for (auto it = sessions.rbegin(); it != sessions.rend(); ++it) waiting_.push_front(std::move(*it));
  counters_.running = static_cast<int>(running_.size());
}

void Scheduler::restart_sessions_of(LoadedModel& model) {
  std::list<std::unique_ptr<Session>> others;
  for (auto it = running_.begin(); it != running_.end();) {
    const auto next = std::next(it);
    if (&(*it)->model() == &model) others.splice(others.end(), running_, it);
    it = next;
  }
  send_back(std::move(others));
  model.arena().make_layers();
}

void Scheduler::end(std::unique_ptr<Session> session) {
  {
    std::lock_guard lock(mutex_);
    counters_.tokens_generated += session->usage().completion_tokens;
    counters_.prompt_tokens += session->prompt_read();
    counters_.running = static_cast<int>(running_.size());
  }
  session.reset();  // may release the model too, which must not happen under the lock
}

}  // namespace mlxr::engine
