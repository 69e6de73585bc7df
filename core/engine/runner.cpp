#include "core/engine/runner.h"

#include <mlx/transforms.h>

#include <algorithm>
#include <exception>
#include <new>

namespace mlxr::engine {
namespace {

// Prompt tokens of a step in which others answer, where there is no latency target: enough for the products to run at nearly full speed,
// and few enough that answers go on without a pause that people notice (docs/performance.md has the measurement).
constexpr int kPromptTokensBesideAnswers = 48;

// For use in a handler: what the exception says to the client.
Error error_of_step() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kOverloaded, "There is not enough memory to go on with this answer. Unload a model, or close other programs."};
  } catch (const std::exception& e) {
    return {ErrorCode::kInternal, std::string("The engine could not compute a step: ") + e.what()};
  }
}

}  // namespace

Runner::Runner(std::shared_ptr<LoadedModel> model, const EngineOptions& options)
    : model_(std::move(model)), max_prompt_tokens_(options.max_batch_tokens), target_(options.target_latency_ms) {}

bool Runner::admit(std::unique_ptr<Session>& session) {
  if (!sent_back_.empty() || sessions_.size() >= std::size_t{kMostSessions} || !begin(*session)) return false;
  sessions_.push_back(std::move(session));
  return true;
}

bool Runner::begin(Session& session) {
  auto& cache = model_->cache();
  auto& prefixes = model_->prefixes();
  auto pages = session.takes_stored() ? stored_beginning(session.history()) : kv::Pages();
  const auto missing = cache.missing(pages, kv::tokens_in(pages), static_cast<int>(session.history().size()));
  const int growing = model_->transformer().spec().two_sided ? 0 : static_cast<int>(sessions_.size());
  const auto is_room = [&](const std::vector<int>& reclaimable) {
    for (std::size_t kind = 0; kind < missing.size(); ++kind)
      if (cache.arena(kind).free_blocks() + reclaimable[kind] < missing[kind] + growing) return false;
    return true;
  };
  const std::vector<int> none(missing.size());
  if (!is_room(none) && !is_room(prefixes.reclaimable_blocks())) {
    cache.release(pages);
    return false;
  }
  while (!is_room(none)) prefixes.give_up_block();
  session.begin(std::move(pages), cache.has_windows() ? most_in_common(session.history()) : 0);
  return session.take_pages(session.unread());
}

int Runner::most_in_common(std::span<const TokenId> tokens) const {
  int most = model_->prefixes().most_in_common(tokens);
  for (const auto& other : sessions_) most = std::max(most, kv::common_blocks(tokens, other->history()));
  return most;
}

kv::Pages Runner::stored_beginning(std::span<const TokenId> tokens) {
  auto& cache = model_->cache();
  auto pages = model_->prefixes().find(tokens);
  for (const auto& other : sessions_) {
    const int blocks = cache.usable(other->pages(), kv::common_blocks(tokens, other->stored_tokens()));
    if (blocks * kv::kBlockTokens <= kv::tokens_in(pages)) continue;
    cache.release(pages);
    pages = cache.share(other->pages(), blocks);
  }
  return pages;
}

std::vector<std::unique_ptr<Session>> Runner::step() {
  begin_again();
  const auto parts = plan();
  if (!parts.empty()) compute(parts);  // else the session whose turn it was is the youngest, and was sent back
  return take_finished();
}

void Runner::begin_again() {
  while (!sent_back_.empty() && begin(*sent_back_.back())) {
    sessions_.push_back(std::move(sent_back_.back()));
    sent_back_.pop_back();
  }
}

Runner::Parts Runner::plan() {
  Parts parts;
  const bool two_sided = model_->transformer().spec().two_sided;
  if (one_by_one_) {
    Session& session = *sessions_[turn_++ % sessions_.size()];
    embedding_ = session.embeds();
    add(parts, session, two_sided ? session.unread() : std::min(session.readable(), max_prompt_tokens_));
    return parts;
  }
  embedding_ = has_any(!embedding_) ? !embedding_ : embedding_;
  if (two_sided) {
    add_texts(parts);
    return parts;
  }
  for (std::size_t i = 0; i < sessions_.size(); ++i)  // add() may take sessions from the end
    if (sessions_[i]->embeds() == embedding_ && sessions_[i]->unread() == 1) add(parts, *sessions_[i], 1);
  add_prompts(parts);
  return parts;
}

bool Runner::has_any(bool embeds) const {
  return std::ranges::any_of(sessions_, [&](const auto& session) { return session->embeds() == embeds; });
}

void Runner::add_texts(Parts& parts) {
  int tokens = 0;
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    Session& session = *sessions_[i];
    const int count = session.unread();
    if (tokens > 0 && tokens + count > max_prompt_tokens_) return;
    add(parts, session, count);
    tokens += count;
  }
}

// Half of the step is for the session that arrived first; the rest is for those that have the least left to read, so that a short prompt
// does not wait for a long one.
void Runner::add_prompts(Parts& parts) {
  Parts prompts;
  for (const auto& session : sessions_)
    if (session->embeds() == embedding_ && session->unread() > 1) prompts.push_back({session.get(), 0});
  if (prompts.empty()) return;
  int left = most_prompt_tokens(!parts.empty());
  const auto give = [&](Part& part, int most) {
    const int count = std::min({part.session->readable() - part.count, most, left});
    part.count += count;
    left -= count;
  };
  std::stable_sort(prompts.begin() + 1, prompts.end(),
                   [](const Part& a, const Part& b) { return a.session->unread() < b.session->unread(); });
  give(prompts[0], (left + 1) / 2);
  for (auto& part : std::span(prompts).subspan(1)) give(part, left);
  give(prompts[0], left);
  for (const auto& part : prompts)
    if (part.count > 0) add(parts, *part.session, part.count);
}

int Runner::most_prompt_tokens(bool beside_answers) const {
  if (!beside_answers) return max_prompt_tokens_;
  if (target_.count() == 0) return std::min(max_prompt_tokens_, kPromptTokensBesideAnswers);
  return model_->pace().part_within(target_, max_prompt_tokens_);
}

void Runner::add(Parts& parts, Session& session, int count) {
  if (session.pages().empty()) return;  // it was sent back a moment ago
  while (!session.take_pages(count)) {
    if (model_->prefixes().give_up_block()) continue;
    const Session* youngest = sessions_.back().get();
    std::erase_if(parts, [&](const Part& part) { return part.session == youngest; });
    send_back_youngest();
    if (youngest == &session) return;
  }
  parts.push_back({&session, count});
}

void Runner::send_back_youngest() {
  sessions_.back()->give_back_pages();
  sent_back_.push_back(std::move(sessions_.back()));
  sessions_.pop_back();
}

void Runner::compute(const Parts& parts) {
  try {
    return run(parts);
  } catch (...) {
    const auto error = error_of_step();
    if (!model_->ops().computes_at_once() || model_->cache().has_states()) start_over();
    one_by_one_ = parts.size() > 1;
    if (!one_by_one_) parts[0].session->finish(FinishReason::kError, error);
  }
}

void Runner::start_over() {
  while (!sessions_.empty()) send_back_youngest();
  model_->prefixes().clear();
  model_->cache().make_layers();
}

void Runner::run(const Parts& parts) {
  ops::Batch batch;
  std::vector<int> wanted;  // rows of each part
  for (const auto& [session, count] : parts) wanted.push_back(session->add_to(batch, count));

  const auto begin = Clock::now();
  const int tokens = static_cast<int>(batch.tokens.size());
  auto& cache = model_->cache();
  const auto& transformer = model_->transformer();
  const auto rows =
      embedding_ ? transformer.hidden(std::move(batch), cache.layers()) : transformer.forward(std::move(batch), cache.layers());
  auto results = cache.arrays();
  if (rows) results.push_back(*rows);
  mlx::core::eval(results);
  model_->pace().measured(tokens, Clock::now() - begin);

  if (!model_->is_intact()) {
    const Error lost{ErrorCode::kIo, "The cached weights of " + model_->info().file.filename().string() +
                                         " can no longer be read: their file was cut short, or its disk failed. Try again: the model is "
                                         "loaded anew."};
    for (const auto& session : sessions_) session->finish(FinishReason::kError, lost);
    return;
  }
  for (const auto& [session, count] : parts) session->stored(count);
  const float* values = rows ? rows->data<float>() : nullptr;
  if (embedding_) return pool(parts, wanted, values);
  choose(parts, wanted, values);
  for (const auto& part : parts)  // it asked for no answer
    if (!part.session->is_finished() && part.session->unread() == 0) part.session->finish(FinishReason::kLength);
}

void Runner::pool(const Parts& parts, const std::vector<int>& wanted, const float* rows) {
  const auto dim = static_cast<std::size_t>(model_->transformer().spec().dim);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto count = static_cast<std::size_t>(wanted[i]) * dim;
    try {
      parts[i].session->pool({rows, count});
    } catch (...) {
      parts[i].session->finish(FinishReason::kError, error_of_step());
    }
    rows += count;
  }
}

void Runner::choose(const Parts& parts, const std::vector<int>& wanted, const float* logits) {
  std::vector<Session*> sessions;  // of each row
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (wanted[i] > 0) sessions.push_back(parts[i].session);
  const auto vocabulary = static_cast<std::size_t>(model_->info().vocabulary);
  std::vector<std::optional<Error>> errors(sessions.size());
  model_->ops().for_each(static_cast<int>(sessions.size()), [&](int i) {
    const auto row = static_cast<std::size_t>(i);
    try {
      sessions[row]->choose({logits + row * vocabulary, vocabulary});
    } catch (...) {
      errors[row] = error_of_step();
    }
  });
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    try {
      if (!errors[i]) sessions[i]->accept();
    } catch (...) {
      errors[i] = error_of_step();
    }
    if (errors[i]) sessions[i]->finish(FinishReason::kError, errors[i]);
  }
}

std::vector<std::unique_ptr<Session>> Runner::end_cancelled(bool all) {
  for (auto* sessions : {&sessions_, &sent_back_})
    for (const auto& session : *sessions)
      if (all || session->cancelled()) session->finish(FinishReason::kCancelled);
  return take_finished();
}

std::vector<std::unique_ptr<Session>> Runner::take_finished() {
  std::vector<std::unique_ptr<Session>> finished;
  for (auto* sessions : {&sessions_, &sent_back_}) {
    for (auto& session : *sessions)
      if (session->is_finished()) finished.push_back(std::move(session));
    std::erase(*sessions, nullptr);
  }
  return finished;
}

}  // namespace mlxr::engine
