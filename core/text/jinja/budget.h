// What one rendering may use: steps, bytes looked at, memory and time. A template is untrusted and its builtins are loops, so everything
// in this folder whose work grows with a value charges the budget: evaluation and comparison per node, operations on text per byte,
// strings and containers by their size for as long as they live.
//
// Install a Budget for the current thread with Budget::Scope. Without one (while a template is parsed) nothing is charged.
#pragma once

#include <chrono>
#include <cstddef>

#include "core/text/chat_template.h"

namespace mlxr::text::jinja {

class Budget {
 public:
  // The clock starts now.
  Budget(const RenderLimits& limits, std::size_t memory_bytes);
  static Budget* current();

  // All three raise kUnsupported when a limit is passed.
  void spend(std::size_t steps);  // looks at the clock too
  void touch(std::size_t bytes);  // a step for every kBytesPerStep
  void take(std::size_t bytes);
  void release(std::size_t bytes) { live_bytes_ -= bytes; }

  class Scope {
   public:
    explicit Scope(Budget& budget);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Budget* before_;
  };

 private:
  static constexpr std::size_t kBytesPerStep = 256;
  static constexpr std::size_t kStepsPerLook = 16;

  RenderLimits limits_;
  std::chrono::steady_clock::time_point deadline_;
  std::size_t steps_ = 0, next_look_ = 0;
  std::size_t touched_ = 0;  // bytes that are not yet a step
  std::size_t memory_limit_, live_bytes_ = 0;
};

// The same for the current thread's budget, if it has one.
void spend(std::size_t steps);
void touch(std::size_t bytes);
void ensure_room(std::size_t bytes);  // refuses an allocation before it is tried

// Memory that is charged for as long as this lives.
class Metered {
 public:
  explicit Metered(std::size_t bytes);
  ~Metered();
  Metered(const Metered&) = delete;
  Metered& operator=(const Metered&) = delete;
  void grow(std::size_t bytes);

 private:
  Budget* budget_;
  std::size_t bytes_;
};

}  // namespace mlxr::text::jinja
