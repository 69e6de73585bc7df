#include "core/engine/scheduler.h"

#include <algorithm>
#include <exception>

namespace mlxr::engine {
namespace {

// The smallest part of a prompt that a latency target leaves: below it a step costs about the same.
constexpr int kSmallestPart = 16;

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
    if (static_cast<int>(waiting_.size()) >= max_queue_) return false;
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
  std::lock_guard lock(mutex_);
  for (auto& session : waiting_) session->finish(FinishReason::kCancelled);
  waiting_.clear();
}

void Scheduler::drop_cancelled() {
  std::vector<std::unique_ptr<Session>> dropped;
  for (auto it = running_.begin(); it != running_.end();) {
    if (!(*it)->cancelled()) {
      ++it;
      continue;
    }
    dropped.push_back(std::move(*it));
    it = running_.erase(it);
  }
  {
    std::lock_guard lock(mutex_);
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (!(*it)->cancelled()) {
        ++it;
        continue;
      }
      dropped.push_back(std::move(*it));
      it = waiting_.erase(it);
    }
    counters_.cancelled += dropped.size();
  }
  for (auto& session : dropped) {
    session->finish(FinishReason::kCancelled);
    end(std::move(session));
  }
}

// First come, first served: who waits for pages is not overtaken.
void Scheduler::admit_waiting() {
  std::lock_guard lock(mutex_);
  while (!waiting_.empty() && waiting_.front()->admit()) {
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  counters_.running = static_cast<int>(running_.size());
}

void Scheduler::step_next() {
  auto session = std::move(running_.front());
  running_.pop_front();
  const bool prefilling = session->prefilling();
  int part = max_prompt_tokens_;
  if (target_.count() > 0 && !running_.empty() && prompt_tokens_per_ms_ > 0) {
    const auto within = static_cast<int>(prompt_tokens_per_ms_ * static_cast<double>(target_.count()));
    part = std::min(part, std::max(within, kSmallestPart));
  }

  bool more = false;
  const auto begin = Clock::now();
  try {
    more = session->step(part);
  } catch (const std::exception& e) {
    session->finish(FinishReason::kError, Error{ErrorCode::kInternal, std::string("The engine could not compute a step: ") + e.what()});
  }
  if (prefilling && more) {
    prompt_tokens_per_ms_ = part / std::max(std::chrono::duration<double, std::milli>(Clock::now() - begin).count(), 1e-3);
  }
  if (more) {
    running_.push_back(std::move(session));
  } else {
    end(std::move(session));
  }
}

void Scheduler::end(std::unique_ptr<Session> session) {
  std::lock_guard lock(mutex_);
  counters_.tokens_generated += session->usage().completion_tokens;
  counters_.prompt_tokens += session->usage().prompt_tokens;
  counters_.running = static_cast<int>(running_.size());
}

}  // namespace mlxr::engine
