#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "daemon/routes/ollama/common.h"
#include "daemon/routes/ollama/ollama.h"

namespace mlxr::daemon::ollama {
namespace {

constexpr Field kFields[] = {
    {.name = "model", .type = FieldType::kString},
    {.name = "name", .type = FieldType::kString},  // the older name of `model`
    {.name = "stream", .type = FieldType::kBoolean},
    {.name = "accept_license", .type = FieldType::kBoolean},  // MLXR's own
    {.name = "insecure", .type = FieldType::kBoolean},        // plain HTTP from other machines
    unsupported("username", "\"\""),
    unsupported("password", "\"\""),
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

// Cancels the pull when the client goes away, for as long as this lives.
class CancelWhenGone {
 public:
  CancelWhenGone(Responder& out, std::atomic<bool>& cancelled) : out_(out) {
    out.on_gone([&cancelled] { cancelled = true; });
  }
  ~CancelWhenGone() { out_.on_gone({}); }
  CancelWhenGone(const CancelWhenGone&) = delete;
  CancelWhenGone& operator=(const CancelWhenGone&) = delete;

 private:
  Responder& out_;
};

ApiResult<void> handle(ModelHost& host, const Request& request, Responder& out) {
  const auto named = read_named(request, kFields);
  if (!named) return std::unexpected(named.error());
  const auto& [body, name] = *named;
  const bool stream = get<bool>(body, "stream").value_or(true);

  std::atomic<bool> cancelled = false;
  bool started = false;
  const auto send = [&](const json& line) {  // the head is sent with the first line, so that an earlier error still has its own status
    if (!std::exchange(started, true)) out.start({.content_type = "application/x-ndjson"});
    if (!out.write(dump(line) + "\n")) cancelled = true;
  };
  store::PullOptions options{.accept_license = get<bool>(body, "accept_license").value_or(false),
                             .allow_plain_http = get<bool>(body, "insecure").value_or(false),
                             .cancelled = &cancelled};
  // Held back until the download progresses, so that an earlier error is an answer with its own status.
  std::vector<std::string> notices;
  const auto send_notices = [&] {
    for (const auto& sentence : std::exchange(notices, {})) send({{"status", sentence}});
  };
  if (stream) {
    options.progress = [&](const store::Progress& progress) {
      send_notices();
      send(progress_json(progress));
    };
    options.notice = [&](const std::string& sentence) { notices.push_back(sentence); };
  }
  const auto model = [&] {
    const CancelWhenGone guard(out, cancelled);
    return host.store().pull(name, options);
  }();
  if (!model && !started) return std::unexpected(pull_error(model.error()));
  if (!stream) {
    out.respond({.body = dump({{"status", "success"}})});
    return {};
  }
  if (model) {
    send_notices();
    send({{"status", "success"}});
  } else {
    out.write(ollama_error_body(pull_error(model.error())) + "\n");
  }
  out.finish();
  return {};
}

}  // namespace

void pull(ModelHost& host, const Request& request, Responder& out) {
  if (const auto done = handle(host, request, out); !done) out.respond(ollama_error(done.error()));
}

}  // namespace mlxr::daemon::ollama
