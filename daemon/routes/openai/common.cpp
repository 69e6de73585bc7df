#include "daemon/routes/openai/common.h"

#include <array>
#include <chrono>
#include <ctime>
#include <random>

namespace mlxr::daemon::openai {
namespace {

std::string new_id(std::string_view prefix) {
  static constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device device;
  std::uniform_int_distribution<std::size_t> pick(0, kLetters.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 24; ++i) id += kLetters[pick(device)];
  return id;
}

}  // namespace

std::vector<Field> with_common_fields(std::initializer_list<Field> own) {
  std::vector<Field> fields = {
      {.name = "model", .type = FieldType::kString, .required = true},
      {.name = "stream", .type = FieldType::kBoolean},
      {.name = "stream_options", .type = FieldType::kObject},
      {.name = "max_tokens", .type = FieldType::kInteger, .low = -1},  // -1: no limit
      {.name = "max_completion_tokens", .type = FieldType::kInteger, .low = -1},
      {.name = "temperature", .type = FieldType::kNumber, .low = 0, .high = 2},
      {.name = "top_p", .type = FieldType::kNumber, .low = 0, .high = 1},
      {.name = "presence_penalty", .type = FieldType::kNumber, .low = -2, .high = 2},
      {.name = "frequency_penalty", .type = FieldType::kNumber, .low = -2, .high = 2},
      {.name = "seed", .type = FieldType::kInteger},
      {.name = "stop"},
      {.name = "n", .type = FieldType::kInteger, .low = 1, .high = 1},
      // Not OpenAI's; other local runners have them.
      {.name = "top_k", .type = FieldType::kInteger, .low = -1},
      {.name = "min_p", .type = FieldType::kNumber, .low = 0, .high = 1},
      {.name = "repeat_penalty", .type = FieldType::kNumber, .low = 0.01, .high = 100},
      {.name = "repetition_penalty", .type = FieldType::kNumber, .low = 0.01, .high = 100},
      {.name = "ignore_eos", .type = FieldType::kBoolean},
      advisory("cache_prompt"),
      advisory("user"),
      unsupported("logit_bias"),
  };
  fields.insert(fields.end(), own);
  return fields;
}

ApiResult<Call> read_call(const Request& http, std::span<const Field> fields, int default_max_tokens) {
  auto parsed = parse_object(http.body);
  if (!parsed) return std::unexpected(parsed.error());
  if (auto checked = check_fields(*parsed, fields); !checked) return std::unexpected(checked.error());
  Call call{.body = std::move(*parsed), .acquire = {.allow_paths = http.transport == Transport::kUnixSocket}};
  const auto& body = call.body;
  call.model = body["model"].get<std::string>();
  auto& request = call.request;
  // OpenAI's defaults: the model's own, unmodified distribution.
  request.sampling = {.temperature = 1, .top_k = 0, .top_p = 1, .repeat_last_n = -1};
  auto& sampling = request.sampling;
  sampling.presence_penalty = get<float>(body, "presence_penalty").value_or(0.0f);
  sampling.frequency_penalty = get<float>(body, "frequency_penalty").value_or(0.0f);
  sampling.seed = read_seed(body);
  const auto repeat_penalty = get<float>(body, "repeat_penalty");
  call.asked = {.temperature = get<float>(body, "temperature"),
                .top_k = get_limited_int(body, "top_k"),
                .top_p = get<float>(body, "top_p"),
                .min_p = get<float>(body, "min_p"),
                .repeat_penalty = repeat_penalty ? repeat_penalty : get<float>(body, "repetition_penalty"),
                .repeat_last_n = {}};
  take_advice(call.asked, {}, sampling);
  if (auto limit = get_limited_int(body, "max_completion_tokens"); limit || (limit = get_limited_int(body, "max_tokens")))
    request.max_tokens = *limit;
  else
    request.max_tokens = default_max_tokens;
  auto stop = read_stop(body.value("stop", json(nullptr)), "stop");
  if (!stop) return std::unexpected(stop.error());
  request.stop = std::move(*stop);
  request.ignore_end = get<bool>(body, "ignore_eos").value_or(false);

  call.stream = get<bool>(body, "stream").value_or(false);
  if (const auto stream_options = get<json>(body, "stream_options")) {
    static constexpr Field kFields[] = {{.name = "include_usage", .type = FieldType::kBoolean}, advisory("include_obfuscation")};
    if (auto checked = check_fields(*stream_options, kFields, "stream_options."); !checked) return std::unexpected(checked.error());
    // Without a stream this has no effect: a whole answer always includes usage.
    call.include_usage = get<bool>(*stream_options, "include_usage").value_or(false);
  }
  return call;
}

ApiError model_error(const Error& error) {
  auto api = to_api_error(error);
  api.field = error.code == ErrorCode::kNotFound ? "model" : "";
  if (error.code == ErrorCode::kNotFound) api.code = "model_not_found";
  return api;
}

json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

std::int64_t unix_time(const std::string& rfc3339) {
  std::tm time{};
  if (::strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &time) == nullptr) return 0;
  return ::timegm(&time);
}

json envelope(std::string_view id_prefix, std::string_view object, const std::string& model) {
  return {
      {"id", new_id(id_prefix)}, {"object", object}, {"created", std::time(nullptr)}, {"model", model}, {"system_fingerprint", nullptr}};
}

std::string sse_event(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }

namespace {

void answer_whole(Reply& reply, const Shape& shape, const Headers& headers, Responder& out) {
  const auto answer = collect(reply, out);
  if (!answer) return out.respond(openai_error(to_api_error(answer.error())));
  auto body = shape.envelope;
  body["choices"] = json::array({shape.whole(*answer)});
  body["usage"] = usage_json(answer->usage);
  out.respond({.body = dump(body), .headers = headers});
}

void answer_stream(Reply& reply, bool include_usage, const Shape& shape, const Headers& headers, Responder& out) {
  if (!out.start({.content_type = "text/event-stream; charset=utf-8", .headers = headers})) return;
  auto envelope = shape.envelope;
  envelope["object"] = shape.stream_object;
  const auto send = [&](json choices, json usage) {
    auto body = envelope;
    body["choices"] = std::move(choices);
    if (include_usage) body["usage"] = std::move(usage);
    return out.write(sse_event(dump(body)));
  };
  if (shape.role_first) {
    const json first{{"index", 0}, {"delta", {{"role", "assistant"}, {"content", ""}}}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!send(json::array({first}), nullptr)) return;
  }
  const auto usage = drain(reply, out, [&](const Event& event) {
    if ((!event.text.empty() || !event.tokens.empty()) &&
        !send(json::array({shape.chunk(event.text, event.tokens, std::nullopt)}), nullptr))
      return false;
    return !event.finish || send(json::array({shape.chunk("", {}, event.finish)}), nullptr);
  });
  if (usage) {
    if (include_usage) send(json::array(), usage_json(*usage));
  } else {
    out.write(sse_event(openai_error(to_api_error(usage.error())).body));
  }
  out.write(sse_event("[DONE]"));
  out.finish();
}

}  // namespace

void answer(ModelHost& host, const ModelHost::Lease& lease, Call call, const Shape& shape, Responder& out) {
  take_advice(lease.model()->info().sampling, call.asked, call.request.sampling);
  limit_max_tokens(call.request, *lease.model(), call.warnings);
  auto reply = host.engine().submit(lease.model(), std::move(call.request));
  if (!reply) return out.respond(openai_error(to_api_error(reply.error())));
  const auto headers = warning_headers(call.warnings);
  if (call.stream) return answer_stream(*reply, call.include_usage, shape, headers, out);
  answer_whole(*reply, shape, headers, out);
}

}  // namespace mlxr::daemon::openai
