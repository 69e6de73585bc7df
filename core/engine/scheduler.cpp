#include "core/engine/scheduler.h"

#include <algorithm>
#include <set>

namespace mlxr::engine {

Scheduler::Scheduler(const EngineOptions& options) : options_(options), thread_([this] { run(); }) {}

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
    const auto of_model = [&](const auto& other) { return other->model() == session->model(); };
    if (std::ranges::count_if(waiting_, of_model) >= options_.max_queue) return false;
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
      work_.wait(lock, [&] { return stopping_ || !waiting_.empty() || !runners_.empty(); });
      if (stopping_) break;
    }
    end_cancelled();
    admit_waiting();
    if (!runners_.empty()) step_next();
  }
  end_cancelled(true);
}

void Scheduler::end_cancelled(bool all) {
  Sessions ended;
  {
    std::lock_guard lock(mutex_);
    for (auto& session : waiting_)
      if (all || session->cancelled()) ended.push_back(std::move(session));
    std::erase(waiting_, nullptr);
  }
  for (auto& session : ended) session->finish(FinishReason::kCancelled);
  for (auto& runner : runners_) std::ranges::move(runner.end_cancelled(all), std::back_inserter(ended));
  if (ended.empty()) return;
  {
    std::lock_guard lock(mutex_);
    counters_.cancelled += ended.size();
  }
  retire(std::move(ended));
}

// First come, first served, model by model: a request that does not fit holds up the later ones of its own model only.
void Scheduler::admit_waiting() {
  std::set<const LoadedModel*> full;
  std::lock_guard lock(mutex_);
  for (auto& session : waiting_) {
    const auto& model = session->model();
    if (!full.contains(model.get()) && !runner_of(model).admit(session)) full.insert(model.get());
  }
  std::erase(waiting_, nullptr);
  count_running();
}

void Scheduler::count_running() {
  counters_.running = 0;
  for (const auto& runner : runners_) counters_.running += runner.size();
}

Runner& Scheduler::runner_of(const std::shared_ptr<LoadedModel>& model) {
  const auto found = std::ranges::find(runners_, model.get(), [](const Runner& runner) { return &runner.model(); });
  return found != runners_.end() ? *found : runners_.emplace_back(model, options_);
}

void Scheduler::step_next() {
  runners_.splice(runners_.end(), runners_, runners_.begin());
  retire(runners_.back().step());
}

void Scheduler::retire(Sessions ended) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& session : ended) {
      counters_.tokens_generated += static_cast<std::uint64_t>(session->usage().completion_tokens);
      counters_.prompt_tokens += static_cast<std::uint64_t>(session->prompt_read());
    }
    count_running();
  }
  ended.clear();  // this, and what follows, may release models too, which must not happen under the lock
  std::erase_if(runners_, [](const Runner& runner) { return runner.size() == 0; });
}

}  // namespace mlxr::engine
