#include "daemon/routes/ollama/stream.h"

#include <cstdio>
#include <ctime>

namespace mlxr::daemon::ollama {
namespace {

constexpr char kNdjson[] = "application/x-ndjson";

json body_of(const Piece& piece, const std::string& text, bool done) {
  json body{{"model", piece.model}, {"created_at", rfc3339(std::chrono::system_clock::now())}, {"done", done}};
  piece.put_text(body, text);
  return body;
}

void put_metrics(json& body, const ModelHost::Lease& lease, const Usage& usage, FinishReason finish, Began began) {
  body["done_reason"] = finish_name(finish);
  body["total_duration"] = std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
  body["load_duration"] = lease.load_ns();
  body["prompt_eval_count"] = usage.prompt_tokens;
  body["prompt_eval_duration"] = usage.prompt_ns;
  body["eval_count"] = usage.completion_tokens;
  body["eval_duration"] = usage.eval_ns;
}

void put_logprobs(json& body, const Piece& piece, const std::vector<TokenLogprob>& tokens) {
  if (piece.with_logprobs && !tokens.empty()) body["logprobs"] = logprobs_json(tokens);
}

void answer_stream(const ModelHost::Lease& lease, Reply& reply, const Piece& piece, Began began, const Headers& headers, Responder& out) {
  if (!out.start({.content_type = kNdjson, .headers = headers})) return;
  std::vector<TokenLogprob> all;
  const auto usage = drain(reply, out, [&](const Event& event) {
    all.insert(all.end(), event.tokens.begin(), event.tokens.end());
    if (!event.text.empty() || (piece.with_logprobs && !event.tokens.empty())) {
      auto body = body_of(piece, event.text, false);
      put_logprobs(body, piece, event.tokens);
      if (!out.write(dump(body) + "\n")) return false;
    }
    if (!event.finish) return true;
    auto last = body_of(piece, "", true);
    put_metrics(last, lease, event.usage, *event.finish, began);
    if (piece.put_last) piece.put_last(last, all);
    return out.write(dump(last) + "\n");
  });
  if (!usage) out.write(ollama_error_body(to_api_error(usage.error())) + "\n");
  out.finish();
}

void answer_whole(const ModelHost::Lease& lease, Reply& reply, const Piece& piece, Began began, const Headers& headers, Responder& out) {
  const auto answer = collect(reply, out);
  if (!answer) return out.respond(ollama_error(to_api_error(answer.error())));
  auto body = body_of(piece, answer->text, true);
  put_metrics(body, lease, answer->usage, answer->finish, began);
  put_logprobs(body, piece, answer->tokens);
  if (piece.put_last) piece.put_last(body, answer->tokens);
  out.respond({.body = dump(body), .headers = headers});
}

}  // namespace

void answer(ModelHost& host, const ModelHost::Lease& lease, Options options, bool stream, const Piece& piece, Began began, Responder& out) {
  auto reply = host.engine().submit(lease.model(), std::move(options.request));
  if (!reply) return out.respond(ollama_error(to_api_error(reply.error())));
  const auto headers = warning_headers(options.warnings);
  if (stream) return answer_stream(lease, *reply, piece, began, headers, out);
  answer_whole(lease, *reply, piece, began, headers, out);
}

void answer_without_text(const Piece& piece, std::string_view done_reason, Responder& out) {
  auto body = body_of(piece, "", true);
  body["done_reason"] = done_reason;
  out.respond({.body = dump(body)});
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since_epoch / 1000000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char date[32], text[48];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof text, "%s.%06dZ", date, static_cast<int>(since_epoch % 1000000));
  return text;
}

}  // namespace mlxr::daemon::ollama
