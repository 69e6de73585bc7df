// Prompts and answers of tests with tiny models, and a way to hold the engine's thread.
#pragma once

#include <mlxrunner/engine.h>

#include <latch>
#include <thread>
#include <utility>
#include <vector>

namespace mlxr {

inline std::vector<TokenId> prompt(int length, int seed = 0) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < length; ++i) tokens.push_back((seed + 31 * i) % 250);
  return tokens;
}

struct Answer {
  std::vector<TokenId> tokens;
  Event last;
};
// Waits for the end of an answer.
inline Answer read(Reply& reply) {
  Answer answer;
  while (auto event = reply.next()) {
    for (const auto& token : event->tokens) answer.tokens.push_back(token.id);
    answer.last = std::move(*event);
  }
  return answer;
}

// Holds the engine's thread at one of a request's first events, so that a test can decide what is in the queue by then.
class Pause {
 public:
  explicit Pause(Reply& reply) : reply_(reply) {
    // An event that is there already is told on this thread; the next one comes on the engine's.
    reply.on_ready([this, own = std::this_thread::get_id(), first = true]() mutable {
      if (std::this_thread::get_id() == own || !std::exchange(first, false)) return;
      reached_.count_down();
      go_.wait();
    });
    reached_.wait();
  }
  void end() {
    go_.count_down();
    reply_.on_ready(nullptr);
  }

 private:
  Reply& reply_;
  std::latch reached_{1}, go_{1};
};

}  // namespace mlxr
