#include "core/engine/reply_state.h"

namespace mlxr {

void Reply::State::push(Event event) {
  std::function<void()> wake;
  {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    wake = wake_;
  }
  ready_.notify_one();
  if (wake) wake();
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
  bool now;
  {
    std::lock_guard lock(mutex_);
    wake_ = callback;
    now = !events_.empty();
  }
  if (now && callback) callback();
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

// Nobody listens any more: the scheduler drops the request at its next step.
void Reply::abandon() {
  if (!state_) return;
  state_->set_wake(nullptr);
  state_->cancelled = true;
}

}  // namespace mlxr
