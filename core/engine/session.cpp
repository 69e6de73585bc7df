#include "core/engine/session.h"

#include <mlx/array.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace mlxr::engine {
namespace {

std::int64_t ns(Clock::duration d) { return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count(); }

}  // namespace

Session::Session(std::shared_ptr<LoadedModel> model, Request request, int max_tokens, std::shared_ptr<Reply::State> reply)
    : model_(std::move(model)),
      request_(std::move(request)),
      max_tokens_(max_tokens),
      reply_(std::move(reply)),
      history_(request_.prompt),
      sampler_(request_.sampling),
      stops_(request_.stop),
      detokenizer_(model_->tokenizer()),
      submitted_(Clock::now()) {
  usage_.prompt_tokens = static_cast<int>(request_.prompt.size());
}

void Session::begin(kv::Pages shared_pages, int common_blocks) {
  pages_ = std::move(shared_pages);
  stored_ = kv::tokens_in(pages_);
  pooled_.assign(embeds() ? static_cast<std::size_t>(spec().dim) : 0, 0);
  if (model_->cache().has_windows() && !spec().two_sided)
    ahead_ = kv::milestones(stored_, static_cast<int>(history_.size()), common_blocks);
  std::ranges::reverse(ahead_);
  if (admitted_ != Clock::time_point()) return;  // it was sent back, and begins again
  admitted_ = Clock::now();
  usage_.queue_ns = ns(admitted_ - submitted_);
  usage_.cached_tokens = stored_;
}

int Session::readable() const { return ahead_.empty() ? unread() : std::min(unread(), ahead_.back().blocks * kv::kBlockTokens - stored_); }

void Session::keep_beginning(kv::Place place) {
  auto& cache = model_->cache();
  if (!cache.has_windows() || spec().two_sided) return;  // what is kept in the end will do
  const auto tokens = stored_tokens();
  const int blocks = stored_ / kv::kBlockTokens;
  model_->prefixes().keep({tokens.begin(), tokens.end()},
                          place == kv::Place::kEnd ? cache.share(pages_, blocks) : cache.share_end(pages_, blocks), place);
}

void Session::give_back_pages() {
  if (spec().two_sided) {  // what is stored of a token depends on those after it
    model_->cache().release(pages_);
  } else {
    const auto tokens = stored_tokens();
    model_->prefixes().keep({tokens.begin(), tokens.end()}, std::exchange(pages_, {}));
  }
  stored_ = 0;
}

std::pair<int, int> Session::wanted_rows(int count) const {
  const bool ends = count == unread();
  if (!embeds()) return {count - 1, ends && max_tokens_ > 0 ? 1 : 0};
  switch (spec().embedder.pooling) {
    case models::Pooling::kMean: return {0, count};
    case models::Pooling::kFirst: return {0, stored_ == 0 ? 1 : 0};
    case models::Pooling::kLast: break;
  }
  return {count - 1, ends ? 1 : 0};
}

int Session::add_to(ops::Batch& batch, int count) const {
  const auto [first, wanted] = wanted_rows(count);
  kv::Pages pages;
  for (const auto& of_kind : pages_) pages.emplace_back(of_kind.begin(), of_kind.begin() + kv::blocks_for(stored_ + count));
  batch.append(history().subspan(static_cast<std::size_t>(stored_), static_cast<std::size_t>(count)), stored_, std::move(pages),
               kv::kBlockTokens, first, wanted);
  if (spec().token_types > 1) {
    for (int position = stored_; position < stored_ + count; ++position)
      batch.types.push_back(request_.second > 0 && position >= request_.second ? 1 : 0);
  }
  return wanted;
}

void Session::stored(int count) {
  stored_ += count;
  prompt_read_ = std::max(prompt_read_, std::min(stored_, usage_.prompt_tokens) - usage_.cached_tokens);
  if (!ahead_.empty() && stored_ == ahead_.back().blocks * kv::kBlockTokens) {
    keep_beginning(ahead_.back().place);
    ahead_.pop_back();
  } else if (count > 1 && unread() == 0) {
    keep_beginning(kv::Place::kEnd);
  }
}

void Session::choose(std::span<const float> logits) {
  choice_ = sampler_.sample(logits, history_, model_->allowed_tokens());
  if (choice_ && request_.top_logprobs >= 0) logprobs_ = sampler_.logprobs(*choice_, request_.top_logprobs);
}

void Session::accept() {
  if (!choice_) return finish(FinishReason::kError, damaged());
  const TokenId id = *choice_;
  const auto now = Clock::now();
  if (usage_.completion_tokens == 0) {
    first_token_ = now;
    usage_.prompt_ns = ns(now - admitted_);
  }
  usage_.eval_ns = ns(now - first_token_);
  const auto& tokenizer = model_->tokenizer();
  if (tokenizer.ends_generation(id) && !request_.ignore_end) return finish(FinishReason::kStop);

  ++usage_.completion_tokens;
  history_.push_back(id);
  TokenLogprob token{id, tokenizer.piece(id), 0, {}};
  if (request_.top_logprobs >= 0) {
    token.logprob = logprobs_.chosen;
    for (const auto& [other, logprob] : logprobs_.top) token.top.push_back({other, tokenizer.piece(other), logprob, {}});
  }
  unsent_.push_back(std::move(token));

  std::string text = stops_.feed(detokenizer_.feed(id));
  const bool stopped = stops_.matched().has_value();
  const bool full = usage_.completion_tokens == max_tokens_;
  if (!text.empty() || (!stopped && !full)) {
    Event event;
    event.text = std::move(text);
    event.tokens = std::exchange(unsent_, {});
    event.usage = usage_;
    reply_->push(std::move(event));
  }
  if (stopped) return finish(FinishReason::kStop);
  if (full) return finish(FinishReason::kLength);
}

void Session::pool(std::span<const float> rows) {
  const auto dim = pooled_.size();
  for (std::size_t i = 0; i < rows.size(); ++i) pooled_[i % dim] += rows[i];
  if (unread() > 0) return;
  if (spec().embedder.pooling == models::Pooling::kMean)
    for (auto& value : pooled_) value /= static_cast<float>(history_.size());
  auto made = model_->transformer().embed(mlx::core::array(pooled_.data(), {1, static_cast<int>(dim)}, mlx::core::float32));
  made.eval();
  pooled_.assign(made.data<float>(), made.data<float>() + made.size());
  double squares = 0;
  for (const float value : pooled_) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares)) return finish(FinishReason::kError, damaged());
  if (!spec().embedder.scores && squares > 0)
    for (auto& value : pooled_) value = static_cast<float>(value / std::sqrt(squares));
  finish(FinishReason::kStop);
}

Error Session::damaged() const {
  return {ErrorCode::kCorrupt,
          model_->info().file.filename().string() + " is damaged: what it computes are not numbers. Download or copy it again."};
}

void Session::finish(FinishReason reason, std::optional<Error> error) {
  is_finished_ = true;
  give_back_pages();
  Event event;
  if (!stops_.matched()) {
    event.text = stops_.feed(detokenizer_.finish());
    if (!stops_.matched()) event.text += stops_.finish();
  }
  if (stops_.matched()) {
    event.stop = *stops_.matched();
    if (reason == FinishReason::kLength) reason = FinishReason::kStop;
  }
  event.tokens = std::exchange(unsent_, {});
  event.finish = reason;
  if (reason == FinishReason::kStop) event.embedding = std::move(pooled_);
  event.usage = usage_;
  event.error = std::move(error);
  reply_->push(std::move(event));
}

}  // namespace mlxr::engine
