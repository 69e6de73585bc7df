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
    // The client is told only when it is the daemon that stops; a client that went away reads nothing.
    if (event->finish == FinishReason::kCancelled || !on_event(*event))
      return fail(ErrorCode::kCancelled, "mlxrunnerd stops; the answer was broken off.");
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

ApiResult<std::vector<std::string>> read_stop(const json& value, std::string_view name, std::size_t most) {
  const auto wrong = [&](const std::string& rule) {
    return std::unexpected(
        ApiError{.message = "\"" + std::string(name) + "\" " + rule, .field = std::string(name), .code = "invalid_value"});
  };
  std::vector<std::string> all;
  const auto add = [&](const json& one) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) return false;
    all.push_back(one.get<std::string>());
    return true;
  };
  if (value.is_null()) return all;
  if (!value.is_array())
    return add(value) ? ApiResult<std::vector<std::string>>(all) : wrong("must be a string that is not empty, or an array of such.");
  for (const auto& one : value)
    if (!add(one)) return wrong("must hold strings that are not empty.");
  if (all.size() > most) return wrong("may hold at most " + std::to_string(most) + " strings.");
  return all;
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
