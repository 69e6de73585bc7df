// core/include/mlxrunner/engine.h: start here.
//
//   auto engine = mlxr::Engine::open({}).value();
//   auto model  = engine->load("smollm2.gguf").value();
//   auto prompt = model->tokenize("Once upon a time", {.add_special = true});
//   auto reply  = engine->submit(model, {.prompt = prompt, .max_tokens = 64}).value();
//   while (auto event = reply.next()) std::cout << event->text;
//
// The pieces: an Engine owns the scheduler thread, a Model (model.h) its weights, a Reply is one request in flight.
// Results and errors are in result.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/model.h>
#include <mlxrunner/result.h>

namespace mlxr {

// Which kernels an engine may be asked for: the best that this processor runs, none but MLX's own operations, those of a Mac's GPU, or a
// variant of the CPU pack.
inline constexpr std::array<std::string_view, 8> kKernelNames = {"auto", "mlx", "metal", "amx", "avx512", "avx2", "neon", "scalar"};

struct EngineOptions {
  int threads = 0;                    // kernel threads; 0: one per core that this process may use (affinity and cgroup quota)
  int max_batch_tokens = 512;         // prompt tokens processed in one step; 1 to 8192. While others decode, at most 128
  int target_latency_ms = 0;          // instead of that 128: while others decode, steps have so many that they stay near this; 0: no target
  int max_queue = 512;                // requests that may wait for a model; more are refused with kOverloaded
  std::uint64_t kv_bytes = 0;         // size limit of a model's KV cache; 0: one eighth of the machine's memory
  std::string kv_type = "f16";        // type of cached keys and values: "f16", or "q8_0" (half of its memory, a little less exact)
  std::string kernels = "auto";       // one of kKernelNames
  std::filesystem::path kernel_pack;  // folder with the pack's manifest.json; empty: beside the program (see core/ops/pack.h)
};

// A file of a model. The caller keeps the descriptor, whose position does not move. The last component of the name tells which of a
// folder's files it is; a model of one file has the name of that.
struct OpenedFile {
  int descriptor = -1;
  std::filesystem::path name;
};

struct LoadOptions {
  // Weights are repacked for this processor at the first load; a folder and the model's SHA-256 (hexadecimal) let later loads map what the
  // first one made. Empty: repacked at every load. Files over the limit are removed, the least recently used first.
  std::filesystem::path panel_folder;
  std::string digest;
  std::uint64_t panel_limit = 0;  // bytes; 0: no limit
  // Bytes that the model may take (ModelInfo::memory_bytes). A mixture of experts that takes more is paged (ModelInfo::is_paged), where its
  // repacked weights can be kept: there is a panel_folder and a digest, and room for them on the disk and in panel_limit. 0: this machine's
  // memory.
  std::uint64_t memory = 0;
  int context = 0;  // tokens of context to serve; 0: what the model was trained for, limited by kv_bytes. More than the model's is an error
  int max_context = 0;  // where `context` is 0: serve no more tokens than this; 0: no limit
  // Set to true from any thread: the load ends with kCancelled, within about one tensor, and leaves nothing in panel_folder. A load that is
  // ready by then succeeds. The flag outlives the call.
  const std::atomic<bool>* cancelled = nullptr;
  // Called with all that is known of the model, its memory included, before the weights are read. An error ends the load and is returned.
  // Empty: a model is refused with kOverloaded if its weights, or those of a paged one that a token reads, do not fit in `memory`.
  std::function<Result<void>(const ModelInfo&)> admit;
};

// How the next token is chosen. The order is: penalties, temperature, top_k, top_p, min_p, draw.
struct Sampling {
  float temperature = 0.8f;           // 0: always the most likely token
  int top_k = 40;                     // keep the k most likely; 0: all
  float top_p = 0.9f;                 // keep the smallest set with this total probability; 1: all
  float min_p = 0.0f;                 // drop tokens less likely than min_p times the most likely; 0: none
  float repeat_penalty = 1.0f;        // logits of recent tokens: divided by this if positive, else multiplied (CTRL, Keskar et al. 2019)
  int repeat_last_n = 64;             // how far back the penalties look; -1: the whole context, 0: off
  float presence_penalty = 0.0f;      // subtracted once from the logit of every recent token
  float frequency_penalty = 0.0f;     // subtracted once per occurrence
  std::optional<std::uint64_t> seed;  // same seed, same prompt, same options: same text; absent: drawn from the system
};

// What is made of a prompt: the text that follows, or the embedding of the prompt itself. A model that scores texts (ModelInfo::labels)
// gives its scores in place of an embedding, which has the length 1.
enum class Output { kText, kEmbedding };

// The fields after `output` and `second` are for text alone.
struct Request {
  std::vector<TokenId> prompt;  // at least one token
  Output output = Output::kText;
  int second = 0;       // where in the prompt the second text of a pair begins (Model::render_pair); 0: it is not a pair
  int max_tokens = -1;  // -1: until the model ends or the context is full
  int context = 0;      // tokens of the model's context that prompt and answer may have together; 0: all of them
  Sampling sampling;
  std::vector<std::string> stop;  // the text ends before the first of these; at most 256, none empty
  int top_logprobs = -1;          // -1: none; 0: of the chosen token; n: also of the n most likely, at most 20
  bool ignore_end = false;        // go on when the model ends its answer (benchmarks)
};

// How many tokens the prompt and the answer of `request` may have together.
inline int context_of(const Request& request, const ModelInfo& info) {
  return request.context > 0 && request.context < info.context_length ? request.context : info.context_length;
}

enum class FinishReason { kStop, kLength, kCancelled, kError };

struct TokenLogprob {
  TokenId id = 0;
  std::string bytes;              // what the token stands for; may be part of a UTF-8 character
  float logprob = 0;              // natural logarithm, of the model's own distribution (before sampling options)
  std::vector<TokenLogprob> top;  // most likely first; empty inside `top` itself
};

struct Usage {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, that an earlier or running request had stored: they were not computed again
  int completion_tokens = 0;
  std::int64_t queue_ns = 0;   // waiting for a turn
  std::int64_t prompt_ns = 0;  // processing the prompt, up to the first token
  std::int64_t eval_ns = 0;    // producing the tokens after the first
};

// One step of an answer. Text is held back while it could be the beginning of a stop string or of a UTF-8 character.
struct Event {
  std::string text;                    // complete UTF-8; may be empty
  std::vector<TokenLogprob> tokens;    // the tokens since the last event; logprobs only where the request asked for them
  std::optional<FinishReason> finish;  // set on the last event
  std::vector<float> embedding;        // or scores, on the last event of a request for them
  std::string stop;                    // the stop string that ended the answer, if one did
  Usage usage;                         // complete on the last event
  std::optional<Error> error;          // with FinishReason::kError
};

// A request in flight. Belongs to one thread at a time, except cancel(). Destroying it cancels the request within one step.
class MLXR_API Reply {
 public:
  // Waits for the next event. Nothing after the last one.
  std::optional<Event> next();
  // The next event if there is one by now.
  std::optional<Event> try_next();
  // Calls `wake` from an engine thread whenever an event is there to take, and at once if one is. `wake` must not block and must
  // not destroy the Reply. Once on_ready(nullptr) or the destructor has returned, it is not called again.
  void on_ready(std::function<void()> wake);
  // Ends the request within one step; the last event says kCancelled. Any thread.
  void cancel();

  Reply(Reply&&) noexcept;
  Reply& operator=(Reply&&) noexcept;
  ~Reply();

  struct State;
  explicit Reply(std::shared_ptr<State> state);

 private:
  void abandon();
  std::shared_ptr<State> state_;
};

struct KernelStatus {
  std::string requested;        // EngineOptions::kernels, or MLXR_KERNELS
  std::string variant;          // what runs: "amx", "avx512", "avx2", "neon" or "mlx"
  std::string pack_version;     // empty with "mlx"
  std::string warning;          // why the pack is not in use, when it should be; empty when all is well
  std::uint64_t fallbacks = 0;  // how often a pack was refused since the process started
  int threads = 0;
};

struct EngineStatus {
  KernelStatus kernels;
  int running = 0;  // requests that produce tokens
  int waiting = 0;  // requests in the queue
  std::uint64_t tokens_generated = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cancelled = 0;
};

// May be used from any thread.
class MLXR_API Engine {
 public:
  // MLXR_KERNELS, when set, overrides options.kernels.
  // Errors: kInvalidArgument (an option out of its range, by name), kUnsupported (a variant this processor cannot run).
  static Result<std::unique_ptr<Engine>> open(EngineOptions options);
  ~Engine();  // cancels what is in flight and waits for the step to end

  // Reads a model (a GGUF file, or a folder as Hugging Face publishes it) and makes it ready. Its files are not used any more when load()
  // has returned. The weights are released when the last pointer goes. Errors: those of formats::Checkpoint::open; kUnsupported
  // (architecture or tensor type, by name); kInvalidArgument (context); kOverloaded (not enough memory); kNoSpace (the
  // disk has no room for the repacked weights of a paged model); kCancelled; those of LoadOptions::admit.
  Result<std::shared_ptr<Model>> load(const std::filesystem::path& path, LoadOptions options = {});

  // The same for files that the caller has open for reading, so that what it has checked (the SHA-256, for example) is what is loaded: one
  // file, or those of a folder. `name` is the model's path, which is used in messages and ModelInfo::file.
  Result<std::shared_ptr<Model>> load(std::span<const OpenedFile> files, const std::filesystem::path& name, LoadOptions options = {});

  // Queues a request. Returns at once; never waits for the model.
  // Errors: kInvalidArgument (a field out of its range, by name), kUnsupported (text of a model that only makes embeddings),
  // kContextExceeded (prompt, or prompt plus max_tokens, is longer than the
  // context; the sentence has both numbers), kOverloaded (the queue is full).
  Result<Reply> submit(std::shared_ptr<Model> model, Request request);

  EngineStatus status() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mlxr
