#include <atomic>

#include "daemon/routes/ollama/common.h"
#include "daemon/routes/ollama/ollama.h"

namespace mlxr::daemon::ollama {
namespace {

constexpr Field kFields[] = {
    {.name = "model", .type = FieldType::kString},
    {.name = "name", .type = FieldType::kString},  // the older name of `model`
    {.name = "stream", .type = FieldType::kBoolean},
    {.name = "accept_license", .type = FieldType::kBoolean},  // MLXR's own
    unsupported("insecure"),
    unsupported("username"),
    unsupported("password"),
};

json progress_json(const store::Progress& progress) {
  json line{{"status", progress.stage + (progress.item.empty() ? "" : " " + progress.item)}};
  if (progress.total == 0) return line;
  line["digest"] = progress.item;
  line["total"] = progress.total;
  line["completed"] = progress.done;
  return line;
}

ApiError pull_error(const Error& error) {
  auto api = to_api_error(error);
  if (error.code == ErrorCode::kLicense) api.message += ", or send \"accept_license\": true.";
  return api;
}

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  const auto named = read_named(request, kFields);
  if (!named) return std::unexpected(named.error());
  const auto& [body, name] = *named;
  const bool stream = get<bool>(body, "stream").value_or(true);

  std::atomic<bool> cancelled = false;
  out.on_gone([&] { cancelled = true; });
  bool started = false;
  const auto send = [&](const std::string& line) {  // the head goes with the first line, so that an error before it still has a status
    if (!std::exchange(started, true)) out.start({.content_type = "application/x-ndjson"});
    return out.write(line + "\n");
  };
  store::PullOptions options{.accept_license = get<bool>(body, "accept_license").value_or(false), .cancelled = &cancelled};
  if (stream)
    options.progress = [&](const store::Progress& progress) {
      if (!send(dump(progress_json(progress)))) cancelled = true;
    };
  const auto model = host.store().pull(name, options);
  out.on_gone({});
  if (!model && !started) return std::unexpected(pull_error(model.error()));
  if (!stream) {
    out.respond({.body = dump({{"status", "success"}})});
    return {};
  }
  send(model ? dump({{"status", "success"}}) : ollama_error_body(pull_error(model.error())));
  out.finish();
  return {};
}

}  // namespace

void pull(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
