// One request, from the queue to its last event: its tokens, the pages they are stored in, its sampler and its text, or its embedding. The
// runner of its model computes it, together with the model's other sessions.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/decode/sampler.h"
#include "core/decode/stop_matcher.h"
#include "core/engine/loaded_model.h"
#include "core/engine/reply_state.h"
#include "core/ops/batch.h"
#include "core/text/tokenizer.h"

namespace mlxr::engine {

using Clock = std::chrono::steady_clock;

class Session {
 public:
  // `max_tokens` is the request's, resolved: at most what the context leaves.
  Session(std::shared_ptr<LoadedModel> model, Request request, int max_tokens, std::shared_ptr<Reply::State> reply);

  // Every function below is for the scheduler's thread alone. A session that has pages must be finished before it is destroyed.

  // Takes over blocks that hold the beginning of the session's tokens already, and counts the time in the queue. Another text has the first
  // `common_blocks` blocks of tokens, too.
  void begin(kv::Pages shared_pages, int common_blocks);
  // How many tokens are not stored yet: at least 1. The last of them gives the next token.
  int unread() const { return static_cast<int>(history_.size()) - stored_; }
  // How many of them a step can compute: those up to the next place where what is stored is kept.
  int readable() const;
  // Takes the pages for the next `count` tokens. Returns false, and takes none, when too few are free.
  bool take_pages(int count) { return model_->cache().extend(pages_, stored_, stored_ + count); }
  // Gives all pages to the model's kept prefixes. After the next begin(), the tokens that are not kept any more are computed again.
  void give_back_pages();
  // Appends the next `count` tokens, whose pages it has, to a batch. Returns how many of their rows are wanted.
  int add_to(ops::Batch& batch, int count) const;
  // The batch was computed: `count` more tokens are stored. Keeps what is stored beside the session, at the places for that, where its
  // windows will leave that behind.
  void stored(int count);
  // Chooses the next token from the logits (vocabulary). Any thread, also while other sessions do the same.
  void choose(std::span<const float> logits);
  // Adds that token to the answer and sends what can be shown.
  void accept();
  // Takes the wanted rows, (rows, dim), of the tokens that were computed. After the last of its tokens, sends their embedding.
  void pool(std::span<const float> rows);
  // Gives the pages back and sends the last event.
  void finish(FinishReason reason, std::optional<Error> error = {});

  const std::shared_ptr<LoadedModel>& model() const { return model_; }
  bool is_finished() const { return is_finished_; }
  bool embeds() const { return request_.output == Output::kEmbedding; }
  // Whether stored tokens need not be computed again: not if the rows of all of them are wanted, or depend on what comes after them.
  bool takes_stored() const { return !embeds() || (!spec().two_sided && spec().embedder.pooling == models::Pooling::kLast); }
  bool cancelled() const { return reply_->cancelled; }
  Clock::time_point arrival() const { return submitted_; }
  std::span<const TokenId> history() const { return history_; }
  std::span<const TokenId> stored_tokens() const { return std::span(history_).first(static_cast<std::size_t>(stored_)); }
  const kv::Pages& pages() const { return pages_; }
  const Usage& usage() const { return usage_; }
  int prompt_read() const { return prompt_read_; }  // tokens of the prompt that have been computed

 private:
  const models::ModelSpec& spec() const { return model_->transformer().spec(); }
  // The rows, among those of the next `count` tokens, whose logits or embeddings are wanted: the first one, and how many.
  std::pair<int, int> wanted_rows(int count) const;
  Error damaged() const;
  void keep_beginning(kv::Place place);

  std::shared_ptr<LoadedModel> model_;
  Request request_;
  int max_tokens_;
  std::shared_ptr<Reply::State> reply_;
  std::vector<TokenId> history_;  // the prompt, then what was generated
  int stored_ = 0;                // how much of it is in the KV cache
  int prompt_read_ = 0;
  bool is_finished_ = false;
  kv::Pages pages_;
  std::vector<kv::Milestone> ahead_;  // the next one is the last
  decode::Sampler sampler_;
  std::expected<TokenId, decode::NoChoice> choice_;
  decode::Logprobs logprobs_;  // of the choice, where the request asks for them
  std::vector<float> pooled_;  // (dim), the sum so far, of an embedding
  decode::StopMatcher stops_;
  text::Detokenizer detokenizer_;
  std::vector<TokenLogprob> unsent_;  // tokens since the last event
  Usage usage_;
  Clock::time_point submitted_, admitted_, first_token_;
};

}  // namespace mlxr::engine
