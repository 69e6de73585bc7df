#include "daemon/routes/generation.h"

namespace mlxr::daemon {
namespace {

class CancelWhenGone {
 public:
  CancelWhenGone(Reply& reply, Responder& out) : out_(out) {
    out.on_gone([&reply] { reply.cancel(); });
  }
  ~CancelWhenGone() { out_.on_gone({}); }
  CancelWhenGone(const CancelWhenGone&) = delete;
  CancelWhenGone& operator=(const CancelWhenGone&) = delete;

 private:
  Responder& out_;
};

json one_logprob(const TokenLogprob& token) {
  json bytes = json::array();
  for (const unsigned char byte : token.bytes) bytes.push_back(byte);
  return {{"token", token.bytes}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
}

}  // namespace

Result<Usage> drain(Reply& reply, Responder& out, const std::function<bool(const Event&)>& on_event) {
  const CancelWhenGone guard(reply, out);
  while (auto event = reply.next()) {
    if (event->finish == FinishReason::kError) return fail(event->error.value_or(Error{ErrorCode::kInternal, "The generation failed."}));
    // Report this only if the daemon is stopping; a client that has disconnected reads nothing.
    if (event->finish == FinishReason::kCancelled || !on_event(*event))
      return fail(ErrorCode::kCancelled, "mlxrunnerd is stopping; the answer was cut off.");
    if (event->finish) return event->usage;
  }
  return fail(ErrorCode::kInternal, "The generation ended without a last event.");
}

Result<Answer> collect(Reply& reply, Responder& out) {
  Answer answer;
  const auto usage = drain(reply, out, [&](const Event& event) {
    answer.text += event.text;
    answer.tokens.insert(answer.tokens.end(), event.tokens.begin(), event.tokens.end());
    if (event.finish) answer.finish = *event.finish;
    return true;
  });
  if (!usage) return fail(usage.error());
  answer.usage = *usage;
  return answer;
}

ApiResult<std::vector<std::string>> read_stop(const json& value, std::string_view name) {
  const auto wrong = [&](const std::string& rule) {
    return std::unexpected(
        ApiError{.message = "\"" + std::string(name) + "\" " + rule, .field = std::string(name), .code = "invalid_value"});
  };
  std::vector<std::string> all;
  const auto add = [&](const json& one) {
    if (!one.is_string()) return false;
    if (const auto& text = one.get_ref<const std::string&>(); !text.empty()) all.push_back(text);
    return true;
  };
  if (value.is_null()) return all;
  if (!value.is_array()) return add(value) ? ApiResult<std::vector<std::string>>(all) : wrong("must be a string or an array of strings.");
  for (const auto& one : value)
    if (!add(one)) return wrong("must be a string or an array of strings.");
  if (all.size() > kMaxStops) return wrong("may hold at most " + std::to_string(kMaxStops) + " strings.");
  return all;
}

std::optional<std::uint64_t> read_seed(const json& body) {
  const auto seed = body.find("seed");
  if (seed == body.end() || seed->is_null() || *seed == -1) return std::nullopt;
  if (seed->is_number_unsigned()) return seed->get<std::uint64_t>();
  return static_cast<std::uint64_t>(seed->get<std::int64_t>());
}

ApiResult<int> read_logprobs(const json& body) {
  const bool wanted = get<bool>(body, "logprobs").value_or(false);
  const int top = get<int>(body, "top_logprobs").value_or(0);
  if (top > 0 && !wanted)
    return std::unexpected(
        ApiError{.message = "\"top_logprobs\" needs \"logprobs\": true.", .field = "top_logprobs", .code = "invalid_value"});
  return wanted ? top : -1;
}

ApiResult<void> read_tools(const json& body, std::vector<std::string>& warnings) {
  const auto tools = body.find("tools");
  if (tools == body.end() || is_empty_value(*tools)) return {};
  const auto refused = [](std::string message, std::string code) {
    return std::unexpected(ApiError{.message = std::move(message), .field = "tools", .code = std::move(code)});
  };
  if (!tools->is_array()) return refused("\"tools\" must be of type array.", "invalid_type");
  for (const auto& tool : *tools) {
    const auto type = tool.is_object() ? tool.value("type", json()) : json();
    if (!type.is_string()) return refused("\"tools\" must hold objects with a \"type\".", "invalid_value");
    if (type == "function" || type == "custom") return refused("\"tools\" is not supported by MLXR.", "unsupported_parameter");
    warnings.push_back("tools of type " + type.get<std::string>() + " are not available in MLXR and were left out");
  }
  return {};
}

void take_advice(const SamplingValues& advice, const SamplingValues& asked, Sampling& sampling) {
  const auto take = [](const auto& advised, const auto& own, auto& value) {
    if (advised && !own) value = *advised;
  };
  take(advice.temperature, asked.temperature, sampling.temperature);
  take(advice.top_k, asked.top_k, sampling.top_k);
  take(advice.top_p, asked.top_p, sampling.top_p);
  take(advice.min_p, asked.min_p, sampling.min_p);
  take(advice.repeat_penalty, asked.repeat_penalty, sampling.repeat_penalty);
  take(advice.repeat_last_n, asked.repeat_last_n, sampling.repeat_last_n);
  sampling.top_k = std::max(0, sampling.top_k);  // less than 0 is all tokens, as 0
}

void limit_max_tokens(mlxr::Request& request, const Model& model, std::vector<std::string>& warnings) {
  const int context = context_of(request, model.info()), prompt = static_cast<int>(request.prompt.size());
  if (request.max_tokens <= 0) return;  // until the context is full, or no token at all
  if (prompt >= context) {
    request.max_tokens = -1;  // the error is about the prompt, not about the limit
  } else if (request.max_tokens > context - prompt) {
    warnings.push_back("the answer is limited to " + std::to_string(context - prompt) + " tokens, what the context of " +
                       std::to_string(context) + " tokens leaves after the prompt");
    request.max_tokens = context - prompt;
  }
}

Headers warning_headers(const std::vector<std::string>& warnings) {
  constexpr std::size_t kLongest = 200;
  Headers headers;
  for (auto text : warnings) {
    // Quotes and control characters would end the header's own quotes, or the header.
    std::erase_if(text, [](unsigned char c) { return c < 0x20 || c >= 0x7f || c == '"' || c == '\\'; });
    headers.emplace_back("Warning", "199 mlxr \"" + text.substr(0, kLongest) + "\"");
  }
  return headers;
}

std::string_view finish_name(FinishReason reason) { return reason == FinishReason::kLength ? "length" : "stop"; }

json logprob_json(const TokenLogprob& token) {
  auto value = one_logprob(token);
  value["top_logprobs"] = json::array();
  for (const auto& other : token.top) value["top_logprobs"].push_back(one_logprob(other));
  return value;
}

json logprobs_json(const std::vector<TokenLogprob>& tokens) {
  json all = json::array();
  for (const auto& token : tokens) all.push_back(logprob_json(token));
  return all;
}

}  // namespace mlxr::daemon
