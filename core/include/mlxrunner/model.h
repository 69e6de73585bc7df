// A model in memory: what it is, and its text side (tokens and chat template). Made by Engine::load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>
#include <mlxrunner/token.h>

namespace mlxr {

// Values for some of the options that choose the next token (Sampling in engine.h, where they are explained).
struct SamplingValues {
  std::optional<float> temperature;
  std::optional<int> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repeat_penalty;
  std::optional<int> repeat_last_n;
};

struct ModelInfo {
  std::filesystem::path file;
  std::string architecture;   // "llama", "gemma3"
  std::string name;           // the file's own name for itself; may be empty
  std::string quantization;   // "Q4_1", "Q4_K_M", ...
  std::string warning;        // what is odd in the file, or makes the model slower than it could be: sentences; empty: nothing
  std::string chat_template;  // Jinja source; empty when the file has none
  SamplingValues sampling;    // what the model's authors recommend: for whoever asks for nothing else
  std::uint64_t parameters = 0;
  std::uint64_t file_bytes = 0;    // of the model file
  std::uint64_t weight_bytes = 0;  // memory of the weights as the kernels read them; without a kernel pack several times file_bytes
  // Of weight_bytes, what one token reads: all but the experts, and of the experts' matrices of each layer the part that a token takes,
  // bytes · experts used / experts. For a model without experts: all.
  std::uint64_t active_bytes = 0;
  // The model is larger than the memory that it was given (LoadOptions::memory). Of its weights only active_bytes are counted on to be in
  // memory: the others are read from disk when a token needs them, and the system keeps what it has memory for.
  bool is_paged = false;
  std::string unpaged_why;     // why a mixture of experts that is larger than that memory is not paged: sentences; empty: it need not be
  std::uint64_t kv_bytes = 0;  // the KV cache when it is full; it takes memory as tokens are stored in it
  // How much less one whole context takes of it because some layers keep only a window of their tokens.
  std::uint64_t kv_bytes_saved = 0;
  int context_length = 0;    // tokens served
  int trained_context = 0;   // tokens the model was trained for
  int embedding_length = 0;  // of an embedding that the model makes
  int labels = 0;            // scores that it gives in place of an embedding; 0: it gives none
  bool writes_text = true;   // false: it makes embeddings or scores alone
  int layers = 0;
  int vocabulary = 0;

  std::uint64_t memory_bytes() const { return (is_paged ? active_bytes : weight_bytes) + kv_bytes; }  // what the model takes at most
};

struct TokenizeOptions {
  bool add_special = false;    // BOS and EOS where the model asks for them
  bool parse_special = false;  // control tokens written in the text become tokens
};

struct ChatOptions {
  // The last message must be the assistant's, and the answer goes on where its content ends: the prompt has nothing after that content,
  // neither the end of the turn nor a new one. A last message without text is left out, and the answer begins as usual.
  // `add_generation_prompt` in the context is ignored.
  bool continue_final_message = false;
};

// May be used from any thread.
class MLXR_API Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  // False once its repacked weights are lost: their file in the cache was cut short, or its disk failed. Requests then end with an error,
  // until the model is loaded again, which makes the file anew.
  virtual bool is_intact() const = 0;

  virtual std::vector<TokenId> tokenize(std::string_view text, TokenizeOptions options = {}) const = 0;
  // The text of tokens; U+FFFD for bytes that are not UTF-8. Control tokens are left out unless `special`.
  virtual std::string detokenize(const std::vector<TokenId>& tokens, bool special = false) const = 0;

  // The prompt for a chat, as the model's template writes it, tokenized. `context_json` is a JSON object with at least `messages`
  // (and optionally tools, add_generation_prompt, ...). A model without a template uses a plain one: "User: ...\nAssistant:".
  // Control tokens come from the template alone: what the messages say stays text, also where it looks like "<|im_end|>".
  // Errors: kInvalidArgument (the template refuses these messages, or the last one cannot be continued), kUnsupported (the template cannot
  // be used, or takes more time or memory than it may).
  virtual Result<std::vector<TokenId>> render_chat(std::string_view context_json, ChatOptions options = {}) const = 0;
  // The prompt of a model that scores how well a document answers a query: a cross-encoder's separators, or the model's own template.
  virtual Pair render_pair(std::string_view query, std::string_view document) const = 0;
  // The same as text, before it is tokenized.
  virtual Result<std::string> render_chat_text(std::string_view context_json, ChatOptions options = {}) const = 0;
};

}  // namespace mlxr
