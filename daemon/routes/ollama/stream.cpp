#include "daemon/routes/ollama/stream.h"

#include <filesystem>

#include "platform/time.h"

namespace mlxr::daemon::ollama {
namespace {

constexpr char kNdjson[] = "application/x-ndjson";

// Sends one answer.
struct Delivery {
  const ModelHost::Lease& lease;
  const Call& call;
  const Piece& piece;
  const Headers headers = warning_headers(call.options.warnings);

  bool with_logprobs() const { return call.options.request.top_logprobs >= 0; }
};

json body_of(const Call& call, const Piece& piece, const std::string& text, bool done) {
  json body{{"model", call.model}, {"created_at", platform::to_rfc3339(std::chrono::system_clock::now())}, {"done", done}};
  piece.put_text(body, text);
  return body;
}

void put_last(json& body, const Delivery& to, const Usage& usage, FinishReason finish, const std::vector<TokenLogprob>& tokens) {
  body["done_reason"] = finish_name(finish);
  body["total_duration"] = std::chrono::nanoseconds(std::chrono::steady_clock::now() - to.call.began).count();
  body["load_duration"] = to.lease.load_ns();
  body["prompt_eval_count"] = usage.prompt_tokens;
  body["prompt_eval_duration"] = usage.prompt_ns;
  body["eval_count"] = usage.completion_tokens;
  body["eval_duration"] = usage.eval_ns;
  if (to.piece.put_last) to.piece.put_last(body, tokens);
}

void put_logprobs(json& body, const Delivery& to, const std::vector<TokenLogprob>& tokens) {
  if (to.with_logprobs() && !tokens.empty()) body["logprobs"] = logprobs_json(tokens);
}

void answer_stream(const Delivery& to, Reply& reply, Responder& out) {
  if (!out.start({.content_type = kNdjson, .headers = to.headers})) return;
  std::vector<TokenLogprob> all;
  const auto usage = drain(reply, out, [&](const Event& event) {
    all.insert(all.end(), event.tokens.begin(), event.tokens.end());
    if (!event.text.empty() || (to.with_logprobs() && !event.tokens.empty())) {
      auto body = body_of(to.call, to.piece, event.text, false);
      put_logprobs(body, to, event.tokens);
      if (!out.write(dump(body) + "\n")) return false;
    }
    if (!event.finish) return true;
    auto last = body_of(to.call, to.piece, "", true);
    put_last(last, to, event.usage, *event.finish, all);
    return out.write(dump(last) + "\n");
  });
  if (!usage) out.write(ollama_error_body(to_api_error(usage.error())) + "\n");
  out.finish();
}

void answer_whole(const Delivery& to, Reply& reply, Responder& out) {
  const auto answer = collect(reply, out);
  if (!answer) return out.respond(ollama_error(to_api_error(answer.error())));
  auto body = body_of(to.call, to.piece, answer->text, true);
  put_last(body, to, answer->usage, answer->finish, answer->tokens);
  put_logprobs(body, to, answer->tokens);
  out.respond({.body = dump(body), .headers = to.headers});
}

// Unloading a model that is not loaded succeeds; an unknown name is an error.
Result<void> unload_if_loaded(ModelHost& host, const Call& call) {
  if (host.unload(call.model)) return {};
  if (OpenedFiles::is_reference(call.model) && call.acquire.allow_paths) {
    const auto kept = host.opened().find(call.model);
    return kept ? Result<void>() : fail(kept.error());
  }
  const auto ref = store::ModelRef::parse(call.model, call.acquire.allow_paths ? store::PathRule::kAbsolute : store::PathRule::kNever);
  if (!ref) return fail(ref.error());
  if (ref->kind == store::ModelRef::Kind::kPath) {
    std::error_code ec;
    if (std::filesystem::exists(ref->text, ec)) return {};
    return fail(ErrorCode::kNotFound, "There is no file " + ref->text + ".");
  }
  const auto known = host.store().find(ref->text);
  if (!known) return fail(known.error());
  return {};
}

}  // namespace

void answer(ModelHost& host, const ModelHost::Lease& lease, Call call, const Piece& piece, Responder& out) {
  auto& [request, asked, context_asked, warnings] = call.options;
  if (const int context = lease.model()->info().context_length; context_asked > context)
    warnings.push_back("num_ctx is limited to " + std::to_string(context) + " tokens, the context of this model here");
  request.context = context_asked;  // the model may be loaded with a larger one
  take_advice(lease.model()->info().sampling, asked, request.sampling);
  limit_max_tokens(request, *lease.model(), warnings);
  auto reply = host.engine().submit(lease.model(), request);
  if (!reply) return out.respond(ollama_error(to_api_error(reply.error())));
  const Delivery to{lease, call, piece};
  if (call.stream) return answer_stream(to, *reply, out);
  answer_whole(to, *reply, out);
}

ApiResult<void> load_or_unload(ModelHost& host, const Call& call, const Piece& piece, Responder& out) {
  const bool unload = call.acquire.keep_alive == Duration(0);
  if (unload) {
    if (auto unloaded = unload_if_loaded(host, call); !unloaded) return std::unexpected(to_api_error(unloaded.error()));
  } else {
    auto options = call.acquire;
    options.client = &out;
    if (const auto loaded = host.acquire(call.model, options); !loaded) return std::unexpected(to_api_error(loaded.error()));
  }
  auto body = body_of(call, piece, "", true);
  body["done_reason"] = unload ? "unload" : "load";
  out.respond({.body = dump(body), .headers = warning_headers(call.options.warnings)});
  return {};
}

}  // namespace mlxr::daemon::ollama
