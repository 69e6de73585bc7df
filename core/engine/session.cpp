#include "core/engine/session.h"

#include <algorithm>
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

void Session::begin(kv::Pages shared_pages) {
  pages_ = std::move(shared_pages);
  stored_ = kv::tokens_in(pages_);
  if (admitted_ != Clock::time_point()) return;  // it was sent back, and begins again
  admitted_ = Clock::now();
  usage_.queue_ns = ns(admitted_ - submitted_);
  usage_.cached_tokens = stored_;
}

void Session::keep_beginning() {
  if (!model_->cache().has_windows()) return;  // what is kept in the end will do
  const auto tokens = stored_tokens();
  model_->prefixes().keep({tokens.begin(), tokens.end()},
                          model_->cache().share(pages_, static_cast<int>(tokens.size()) / kv::kBlockTokens));
}

void Session::give_back_pages() {
  const auto tokens = stored_tokens();
  model_->prefixes().keep({tokens.begin(), tokens.end()}, std::exchange(pages_, {}));
  stored_ = 0;
}

bool Session::add_to(ops::Batch& batch, int count) const {
  const bool wanted = wants_logits(count);
  kv::Pages pages;
  for (const auto& of_kind : pages_) pages.emplace_back(of_kind.begin(), of_kind.begin() + kv::blocks_for(stored_ + count));
  batch.append(history().subspan(static_cast<std::size_t>(stored_), static_cast<std::size_t>(count)), stored_, std::move(pages),
               kv::kBlockTokens, wanted ? 1 : 0);
  return wanted;
}

void Session::stored(int count) {
  stored_ += count;
  prompt_read_ = std::max(prompt_read_, std::min(stored_, usage_.prompt_tokens) - usage_.cached_tokens);
}

void Session::choose(std::span<const float> logits) {
  choice_ = sampler_.sample(logits, history_, model_->allowed_tokens());
  if (choice_ && request_.top_logprobs >= 0) logprobs_ = sampler_.logprobs(*choice_, request_.top_logprobs);
}

void Session::accept() {
  if (!choice_) {
    const auto name = model_->info().file.filename().string();
    const Error damaged{ErrorCode::kCorrupt, name + " is damaged: what it computes are not numbers. Download or copy it again."};
    return finish(FinishReason::kError, damaged);
  }
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
  event.usage = usage_;
  event.error = std::move(error);
  reply_->push(std::move(event));
}

}  // namespace mlxr::engine
