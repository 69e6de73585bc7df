#include "core/engine/reply_state.h"

namespace mlxr {

void Reply::State::push(Event event) {
  {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  ready_.notify_one();
  std::lock_guard calling(wake_mutex_);
  if (wake_) wake_();
}

std::optional<Event> Reply::State::take(bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) ready_.wait(lock, [&] { return !events_.empty() || ended_; });
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  ended_ = event.finish.has_value();
  return event;
}

void Reply::State::set_wake(std::function<void()> callback) {
  std::lock_guard calling(wake_mutex_);
  wake_ = std::move(callback);
  if (!wake_) return;
  std::unique_lock lock(mutex_);
  const bool now = !events_.empty();
  lock.unlock();
  if (now) wake_();
}

Reply::Reply(std::shared_ptr<State> state) : state_(std::move(state)) {}
Reply::Reply(Reply&&) noexcept = default;
Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    abandon();
    state_ = std::move(other.state_);
  }
  return *this;
}
Reply::~Reply() { abandon(); }

std::optional<Event> Reply::next() { return state_->take(true); }
std::optional<Event> Reply::try_next() { return state_->take(false); }
void Reply::on_ready(std::function<void()> wake) { state_->set_wake(std::move(wake)); }
void Reply::cancel() { state_->cancelled = true; }

// The owner is gone: the scheduler drops the request at its next step.
void Reply::abandon() {
  if (!state_) return;
  state_->set_wake(nullptr);
  state_->cancelled = true;
}

}  // namespace mlxr
