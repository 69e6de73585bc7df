// One request, from the queue to its last event.
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

  // Every function below is for the scheduler's thread alone. A session that was admitted must be finished before it is destroyed.

  // Takes the pages for all tokens that the session has to read. Returns false when too few are free; besides those, one must stay free
  // for each of the `beside` sessions of the model that are running.
  bool admit(int beside);
  // Takes the pages that step(max_prompt_tokens) needs. Returns false when too few are free.
  bool take_pages(int max_prompt_tokens);
  // Gives all pages back. The tokens in them are processed again after the next admit().
  void give_back_pages();

  struct Progress {
    bool more;          // false: the session is finished
    int prompt_tokens;  // how many the step read; 0 when it only produced a token
  };
  // Reads the next part of the prompt (at most max_prompt_tokens), or produces one token.
  Progress step(int max_prompt_tokens);
  void finish(FinishReason reason, std::optional<Error> error = {});

  LoadedModel& model() const { return *model_; }
  bool cancelled() const { return reply_->cancelled; }
  Clock::time_point arrival() const { return submitted_; }
  const Usage& usage() const { return usage_; }
  int prompt_read() const { return prompt_read_; }  // tokens of the prompt that have been processed

 private:
  // Runs tokens [stored_, stored_ + count) of the history; logits of the last one, (1, vocabulary), when asked for.
  std::optional<mlx::core::array> forward(int count, bool want_logits);
  // How many tokens the next step stores, at most max_prompt_tokens.
  int next_part(int max_prompt_tokens) const;
  // Adds a token to the answer. Returns false when it was the last one.
  bool accept(TokenId id, std::span<const float> logits);

  std::shared_ptr<LoadedModel> model_;
  Request request_;
  int max_tokens_;
  std::shared_ptr<Reply::State> reply_;
  std::vector<TokenId> history_;  // the prompt, then what was generated
  int stored_ = 0;                // how much of it is in the KV cache
  int prompt_read_ = 0;
  std::vector<std::int32_t> pages_;
  decode::Sampler sampler_;
  decode::StopMatcher stops_;
  text::Detokenizer detokenizer_;
  std::vector<TokenLogprob> unsent_;  // tokens since the last event
  Usage usage_;
  Clock::time_point submitted_, admitted_, first_token_;
};

}  // namespace mlxr::engine
