// One request on its way through the scheduler.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "core/decode/sampler.h"
#include "core/decode/stop_matcher.h"
#include "core/engine/loaded_model.h"
#include "core/engine/reply_state.h"
#include "core/text/tokenizer.h"

namespace mlxr::engine {

using Clock = std::chrono::steady_clock;

class Session {
 public:
  // `max_tokens` is the request's, resolved: at most what the context leaves.
  Session(std::shared_ptr<LoadedModel> model, Request request, int max_tokens, std::shared_ptr<Reply::State> reply);
  ~Session();  // gives its pages back

  // Takes the pages that the whole request can need. False when they are not free.
  bool admit();
  // Processes the next part of the prompt (at most max_prompt_tokens), or produces one token. False when the session is finished.
  bool step(int max_prompt_tokens);
  void finish(FinishReason reason, std::optional<Error> error = {});

  const LoadedModel& model() const { return *model_; }
  LoadedModel& model() { return *model_; }
  bool cancelled() const { return reply_->cancelled; }
  bool prefilling() const { return stored_ < static_cast<int>(request_.prompt.size()); }
  const Usage& usage() const { return usage_; }

 private:
  // Runs tokens [stored_, stored_ + count) of the history; logits of the last one, (1, vocabulary), when asked for.
  std::optional<mlx::core::array> forward(int count, bool want_logits);
  // Takes the next token in. False when it was the last.
  bool accept(TokenId id, std::span<const float> logits);

  std::shared_ptr<LoadedModel> model_;
  Request request_;
  int max_tokens_;
  std::shared_ptr<Reply::State> reply_;
  std::vector<TokenId> history_;  // the prompt, then what was generated
  int stored_ = 0;                // how much of it is in the KV cache
  std::vector<std::int32_t> pages_;
  decode::Sampler sampler_;
  decode::StopMatcher stops_;
  text::Detokenizer detokenizer_;
  std::vector<TokenLogprob> unsent_;  // tokens since the last event
  Usage usage_;
  Clock::time_point submitted_, admitted_, first_token_;
};

}  // namespace mlxr::engine
