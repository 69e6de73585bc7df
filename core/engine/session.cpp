#include "core/engine/session.h"

#include <mlx/transforms.h>

#include <algorithm>
#include <utility>

namespace mlxr::engine {
namespace {

namespace mx = mlx::core;

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

bool Session::admit(int beside) {
  auto& arena = model_->arena();
  const int tokens = static_cast<int>(history_.size());
  if (arena.free_blocks() < kv::blocks_for(tokens) + beside || !arena.extend(pages_, tokens)) return false;
  if (admitted_ == Clock::time_point()) {
    admitted_ = Clock::now();
    usage_.queue_ns = ns(admitted_ - submitted_);
  }
  return true;
}

bool Session::take_pages(int max_prompt_tokens) { return model_->arena().extend(pages_, stored_ + next_part(max_prompt_tokens)); }

void Session::give_back_pages() {
  if (pages_.empty()) return;
  model_->arena().release(std::exchange(pages_, {}));
  stored_ = 0;
}

int Session::next_part(int max_prompt_tokens) const { return std::min(static_cast<int>(history_.size()) - stored_, max_prompt_tokens); }

Session::Progress Session::step(int max_prompt_tokens) {
  const int count = next_part(max_prompt_tokens);
  const bool produces = stored_ + count == static_cast<int>(history_.size());
  const Progress progress{true, count > 1 || usage_.completion_tokens == 0 ? count : 0}, last{false, progress.prompt_tokens};
  const auto row = forward(count, produces);
  prompt_read_ = std::max(prompt_read_, std::min(stored_, usage_.prompt_tokens));
  if (!model_->is_intact()) {
    const auto name = model_->info().file.filename().string();
    finish(FinishReason::kError, Error{ErrorCode::kIo, "The cached weights of " + name +
                                                           " can no longer be read: their file was cut short, or its disk failed. Try "
                                                           "again: the model is loaded anew."});
    return last;
  }
  if (!produces) return progress;
  if (max_tokens_ == 0) return finish(FinishReason::kLength), last;
  const std::span logits(row->data<float>(), row->size());
  const auto id = sampler_.sample(logits, history_);
  if (!id) {
    const auto name = model_->info().file.filename().string();
    finish(FinishReason::kError,
           Error{ErrorCode::kCorrupt, name + " is damaged: what it computes are not numbers. Download or copy it again."});
    return last;
  }
  return accept(*id, logits) ? progress : last;
}

std::optional<mx::array> Session::forward(int count, bool want_logits) {
  auto batch = std::make_shared<ops::Batch>();
  const int length = stored_ + count;
  batch->append(std::span(history_).subspan(static_cast<std::size_t>(stored_), static_cast<std::size_t>(count)), stored_,
                {pages_.begin(), pages_.begin() + kv::blocks_for(length)}, kv::kBlockTokens);

  auto& arena = model_->arena();
  auto logits = model_->transformer().forward(batch, arena.layers(),
                                              want_logits ? models::Transformer::Logits::kLast : models::Transformer::Logits::kNone);
  auto results = arena.arrays();
  if (logits) results.push_back(*logits);
  mx::eval(results);
  stored_ = length;
  return logits;
}

bool Session::accept(TokenId id, std::span<const float> logits) {
  const auto now = Clock::now();
  if (usage_.completion_tokens == 0) {
    first_token_ = now;
    usage_.prompt_ns = ns(now - admitted_);
  }
  usage_.eval_ns = ns(now - first_token_);
  const auto& tokenizer = model_->tokenizer();
  if (tokenizer.ends_generation(id) && !request_.ignore_end) return finish(FinishReason::kStop), false;

  ++usage_.completion_tokens;
  history_.push_back(id);
  TokenLogprob token{id, tokenizer.piece(id), 0, {}};
  if (request_.top_logprobs >= 0) {
    const auto all = decode::logprobs(logits, id, request_.top_logprobs);
    token.logprob = all.chosen;
    for (const auto& [other, logprob] : all.top) token.top.push_back({other, tokenizer.piece(other), logprob, {}});
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
  if (stopped) return finish(FinishReason::kStop), false;
  if (full) return finish(FinishReason::kLength), false;
  return true;
}

void Session::finish(FinishReason reason, std::optional<Error> error) {
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
