// Computes the sessions of one model, all of them together: each step is one pass of the model over one batch. The batch has the next token
// of every session that is answering and, after those, the next parts of prompts, up to max_batch_tokens. Embeddings are made in steps of
// their own, in turns with those.
//
// A session takes KV pages as it grows. When they run out, kept prefixes go first; then the session that arrived last waits, and its pages
// become a kept prefix: what others have taken of it by the time it goes on is computed again. So the oldest session always finishes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <mlxrunner/engine.h>

#include "core/engine/session.h"

namespace mlxr::engine {

// Belongs to the scheduler's thread.
class Runner {
 public:
  Runner(std::shared_ptr<LoadedModel> model, const EngineOptions& options);

  const LoadedModel& model() const { return *model_; }
  int size() const { return static_cast<int>(sessions_.size() + sent_back_.size()); }

  // Takes the session over, which must have arrived after all others. Returns false, and leaves it, when there is no room for it now.
  bool admit(std::unique_ptr<Session>& session);
  // Computes one batch and sends what comes of it. Returns the sessions that have ended.
  std::vector<std::unique_ptr<Session>> step();
  // Ends the sessions whose clients have gone, or all of them.
  std::vector<std::unique_ptr<Session>> end_cancelled(bool all);

 private:
  // The next `count` tokens of a session, as part of a batch.
  struct Part {
    Session* session;
    int count;
  };
  using Parts = std::vector<Part>;

  Parts plan();
  bool has_any(bool embeds) const;
  // Whole texts, of a model whose attention is two-sided: as many as are in order, or one that is longer.
  void add_texts(Parts& parts);
  void add_prompts(Parts& parts);
  int most_prompt_tokens(bool beside_answers) const;
  // Adds a part, for which room is made. Adds nothing when the session is itself the youngest and has to wait.
  void add(Parts& parts, Session& session, int count);
  // Computes a batch. If that fails, its sessions are computed one by one from then on, and the one that fails then ends.
  void compute(const Parts& parts);
  void run(const Parts& parts);
  // Takes its rows, which lie one after the other, to each session.
  void pool(const Parts& parts, const std::vector<int>& wanted, const float* rows);
  // Takes its row of logits (rows, vocabulary) to each session that has one.
  void choose(const Parts& parts, const std::vector<int>& wanted, const float* logits);
  // Gives the session the blocks for all its tokens: those that hold its beginning already, and new ones. Returns false when there are too
  // few; besides them, one must stay free for each of the other sessions.
  bool begin(Session& session);
  kv::Pages stored_beginning(std::span<const TokenId> tokens);
  // The most blocks that the tokens have in common with a text that is kept or is being computed.
  int most_in_common(std::span<const TokenId> tokens) const;
  void send_back_youngest();
  void begin_again();
  // The contents of the model's cache are lost: all sessions compute their tokens once more.
  void start_over();
  std::vector<std::unique_ptr<Session>> take_finished();

  std::shared_ptr<LoadedModel> model_;
  const int max_prompt_tokens_;
  const std::chrono::milliseconds target_;
  std::vector<std::unique_ptr<Session>> sessions_;   // with pages, in the order of their arrival
  std::vector<std::unique_ptr<Session>> sent_back_;  // without pages; they arrived after those; the youngest first
  bool one_by_one_ = false;                          // a batch has failed, and the session at fault is not known yet
  std::size_t turn_ = 0;                             // whose it is, one by one
  bool embedding_ = false;                           // the step makes embeddings
};

}  // namespace mlxr::engine
