#include <algorithm>
#include <functional>

#include "daemon/routes/openai/common.h"
#include "daemon/routes/openai/openai.h"

namespace mlxr::daemon::openai {
namespace {

constexpr int kDefaultMaxTokens = 16;  // OpenAI's, for this route

const std::vector<Field>& fields() {
  static const auto all = with_common_fields({
      {.name = "prompt", .required = true},
      {.name = "echo", .type = FieldType::kBoolean},
      {.name = "logprobs", .type = FieldType::kInteger, .low = 0, .high = 5},
      {.name = "best_of", .type = FieldType::kInteger, .low = 1, .high = 1},
      unsupported("suffix"),
  });
  return all;
}

// A string, an array of one string, or an array of token ids.
ApiResult<std::vector<TokenId>> read_prompt(const json& prompt, const Model& model) {
  const auto wrong = [](const std::string& rule) {
    return std::unexpected(ApiError{.message = "\"prompt\" " + rule, .field = "prompt", .code = "invalid_value"});
  };
  const auto& one = prompt.is_array() && prompt.size() == 1 && !prompt[0].is_number() ? prompt[0] : prompt;
  if (one.is_string()) {
    auto tokens = model.tokenize(one.get_ref<const std::string&>(), {.add_special = true, .parse_special = true});
    return tokens.empty() ? wrong("must not be empty.") : ApiResult<std::vector<TokenId>>(std::move(tokens));
  }
  if (!one.is_array() || one.empty()) return wrong("must be a string or an array of token ids.");
  std::vector<TokenId> tokens;
  for (const auto& id : one) {
    if (!id.is_number_integer()) return wrong("must be one string or one array of token ids; several prompts are several requests.");
    if (id < 0 || id >= model.info().vocabulary)
      return wrong("holds a token id outside of the model's vocabulary of " + std::to_string(model.info().vocabulary) + ".");
    tokens.push_back(id.get<TokenId>());
  }
  return tokens;
}

bool continues_a_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::size_t characters_in(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, std::not_fn(continues_a_character)));
}

// Completions have a shape of their own: parallel arrays. An offset counts the characters (code points) of the returned text before its
// token; a token that begins inside a character has that character's offset.
class LogprobArrays {
 public:
  explicit LogprobArrays(bool wanted, std::size_t offset) : wanted_(wanted), offset_(offset) {}

  json take(const std::vector<TokenLogprob>& tokens) {
    if (!wanted_ || tokens.empty()) return nullptr;
    json value{
        {"tokens", json::array()}, {"token_logprobs", json::array()}, {"top_logprobs", json::array()}, {"text_offset", json::array()}};
    for (const auto& token : tokens) {
      value["tokens"].push_back(token.bytes);
      value["token_logprobs"].push_back(token.logprob);
      json top = json::object();
      for (const auto& other : token.top) top[other.bytes] = other.logprob;
      value["top_logprobs"].push_back(std::move(top));
      const bool inside = offset_ > 0 && !token.bytes.empty() && continues_a_character(token.bytes[0]);
      value["text_offset"].push_back(offset_ - (inside ? 1 : 0));
      offset_ += characters_in(token.bytes);
    }
    return value;
  }

 private:
  const bool wanted_;
  std::size_t offset_;
};

Shape shape_of(const std::string& model, bool with_logprobs, const std::string& echo) {
  auto arrays = std::make_shared<LogprobArrays>(with_logprobs, characters_in(echo));
  auto unsent = std::make_shared<std::string>(echo);  // goes before the first text
  const auto choice = [arrays](const std::string& text, const std::vector<TokenLogprob>& tokens, json finish) {
    return json{{"index", 0}, {"text", text}, {"logprobs", arrays->take(tokens)}, {"finish_reason", std::move(finish)}};
  };
  return {
      .envelope = envelope("cmpl-", "text_completion", model),
      .stream_object = "text_completion",
      .chunk =
          [choice, unsent](const std::string& text, const std::vector<TokenLogprob>& tokens, const std::optional<FinishReason>& finish) {
            return choice(std::exchange(*unsent, "") + text, tokens, finish ? json(finish_name(*finish)) : json(nullptr));
          },
      .whole = [choice, echo](const Answer& answer) { return choice(echo + answer.text, answer.tokens, finish_name(answer.finish)); },
  };
}

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  auto call = read_call(request, fields(), kDefaultMaxTokens);
  if (!call) return std::unexpected(call.error());
  call->request.top_logprobs = get<int>(call->body, "logprobs").value_or(-1);

  call->acquire.client = &out;
  const auto lease = host.acquire(call->model, call->acquire);
  if (!lease) return std::unexpected(model_error(lease.error()));
  auto prompt = read_prompt(call->body["prompt"], *(*lease)->model());
  if (!prompt) return std::unexpected(prompt.error());
  const bool echo = get<bool>(call->body, "echo").value_or(false);
  if (echo && call->request.top_logprobs >= 0)
    return std::unexpected(
        ApiError{.message = "\"echo\" together with \"logprobs\" is not supported: the prompt's log probabilities are not computed.",
                 .field = "echo",
                 .code = "unsupported_parameter"});
  const auto echoed = echo ? (*lease)->model()->detokenize(*prompt) : std::string();
  call->request.prompt = std::move(*prompt);
  const auto shape = shape_of(call->model, call->request.top_logprobs >= 0, echoed);
  answer(host, **lease, std::move(*call), shape, out);
  return {};
}

}  // namespace

void completions(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(openai_error(done.error()));
}

}  // namespace mlxr::daemon::openai
