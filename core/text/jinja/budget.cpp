#include "core/text/jinja/budget.h"

#include "core/text/jinja/raise.h"

namespace mlxr::text::jinja {
namespace {

thread_local Budget* current_budget = nullptr;

}  // namespace

Budget::Budget(const RenderLimits& limits, std::size_t memory_bytes)
    : limits_(limits), deadline_(std::chrono::steady_clock::now() + limits.time), memory_limit_(memory_bytes) {}

Budget* Budget::current() { return current_budget; }

void Budget::spend(std::size_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) raise_limit("the template takes more than " + std::to_string(limits_.steps) + " steps");
  if (steps_ < next_look_) return;
  next_look_ = steps_ + kStepsPerLook;
  if (std::chrono::steady_clock::now() > deadline_)
    raise_limit("the template takes longer than " + std::to_string(limits_.time.count()) + " ms");
}

void Budget::touch(std::size_t bytes) {
  touched_ += bytes;
  if (touched_ < kBytesPerStep) return;
  const std::size_t steps = touched_ / kBytesPerStep;
  touched_ %= kBytesPerStep;
  spend(steps);
}

void Budget::take(std::size_t bytes) {
  if (bytes > memory_limit_ || live_bytes_ > memory_limit_ - bytes)
    raise_limit("the template needs more than the " + std::to_string(memory_limit_) + " bytes of memory it may use");
  live_bytes_ += bytes;
}

Budget::Scope::Scope(Budget& budget) : before_(current_budget) { current_budget = &budget; }
Budget::Scope::~Scope() { current_budget = before_; }

void spend(std::size_t steps) {
  if (current_budget != nullptr) current_budget->spend(steps);
}

void touch(std::size_t bytes) {
  if (current_budget != nullptr) current_budget->touch(bytes);
}

void ensure_room(std::size_t bytes) {
  if (current_budget == nullptr) return;
  current_budget->take(bytes);
  current_budget->release(bytes);
}

Metered::Metered(std::size_t bytes) : budget_(current_budget), bytes_(bytes) {
  if (budget_ != nullptr) budget_->take(bytes_);
}

Metered::~Metered() {
  if (budget_ != nullptr) budget_->release(bytes_);
}

void Metered::grow(std::size_t bytes) {
  if (budget_ != nullptr) budget_->take(bytes);
  bytes_ += bytes;
}

}  // namespace mlxr::text::jinja
