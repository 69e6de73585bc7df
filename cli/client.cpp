#include "cli/client.h"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

namespace mlxr::cli {
namespace {

using nlohmann::json;

// How long Ctrl-C may go unnoticed.
constexpr int kPollMilliseconds = 50;

ExitCode exit_code_of_status(long status) {
  switch (status) {
    case 401:
    case 403: return ExitCode::kPermission;
    case 404: return ExitCode::kNotFound;
    case 503: return ExitCode::kOverloaded;
    default: return status >= 400 && status < 500 ? ExitCode::kUsage : ExitCode::kFailure;
  }
}

// What the daemon's {"error": "sentence", "code": "name"} means; nothing when the answer is none. The status decides where the code is a
// complaint about the request that only the API knows, such as "unknown_parameter".
std::optional<Failure> failure_in(const json& answer, long status) {
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_string()) return std::nullopt;
  const auto code = error_code_from_name(answer.value("code", ""));
  // Nobody pressed Ctrl-C here: it is the daemon that stops, and its answers with it.
  if (code == ErrorCode::kCancelled) return Failure(ExitCode::kDaemonUnavailable, answer["error"].get<std::string>());
  return Failure(code ? exit_code_of(*code) : exit_code_of_status(status), answer["error"].get<std::string>());
}

Failure failure_of(const std::string& body, long status) {
  if (auto failure = failure_in(json::parse(body, nullptr, false), status)) return *failure;
  return {exit_code_of_status(status), "mlxrunnerd answered with HTTP status " + std::to_string(status) + "."};
}

std::string text_of(const json& body) { return body.dump(-1, ' ', false, json::error_handler_t::replace); }

std::size_t pass_on(char* data, std::size_t size, std::size_t count, void* callback) {
  const auto& on_data = *static_cast<const std::function<bool(std::string_view)>*>(callback);
  return on_data({data, size * count}) ? size * count : 0;  // anything else than all makes libcurl stop
}

struct EasyCloser {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiCloser {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListCloser {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

Status Client::perform(std::string_view route, const std::string* body, std::chrono::milliseconds timeout,
                       const std::function<bool(std::string_view)>& on_data, long& http_status) {
  const std::unique_ptr<CURL, EasyCloser> easy(curl_easy_init());
  const std::unique_ptr<CURLM, MultiCloser> multi(curl_multi_init());
  const std::unique_ptr<curl_slist, ListCloser> headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  if (!easy || !multi || !headers) return give_up(ExitCode::kFailure, "libcurl could not be started.");

  const std::string url = "http://localhost" + std::string(route);
  const std::string socket = socket_.string();
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");  // http_proxy does not concern a socket of this machine
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, pass_on);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &on_data);
  if (body != nullptr) {
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body->c_str());
  }
  // So that `on_data` can know the status while the body arrives.
  curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &http_status);
  curl_easy_setopt(
      easy.get(), CURLOPT_HEADERFUNCTION, +[](char* line, std::size_t size, std::size_t count, void* status) -> std::size_t {
        const std::string_view text(line, size * count);
        if (text.starts_with("HTTP/") && text.size() >= 12) *static_cast<long*>(status) = std::atol(std::string(text.substr(9, 3)).c_str());
        return size * count;
      });

  curl_multi_add_handle(multi.get(), easy.get());
  CURLcode result = CURLE_OK;
  int running = 1;
  while (running > 0 && !cancelled_) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
    if (running > 0) curl_multi_poll(multi.get(), nullptr, 0, kPollMilliseconds, nullptr);
  }
  int waiting = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &waiting)) {
    if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  curl_multi_remove_handle(multi.get(), easy.get());

  if (running > 0) return give_up(ExitCode::kInterrupted, "");
  switch (result) {
    case CURLE_OK: return {};
    case CURLE_COULDNT_CONNECT:
      return give_up(ExitCode::kDaemonUnavailable, "mlxrunnerd does not answer on " + socket + ". Start it with: mlx serve");
    case CURLE_WRITE_ERROR: return {};  // `on_data` had enough
    case CURLE_OPERATION_TIMEDOUT:
      return give_up(ExitCode::kDaemonUnavailable, "mlxrunnerd did not answer in time on " + socket + ". Its state: mlx doctor");
    default:
      return give_up(ExitCode::kDaemonUnavailable,
                     "The connection to mlxrunnerd broke (" + std::string(curl_easy_strerror(result)) + "). Its state: mlx doctor");
  }
}

Outcome<HttpAnswer> Client::send(std::string_view route, const std::string* body, std::chrono::milliseconds timeout) {
  HttpAnswer answer;
  const auto keep = [&](std::string_view data) {
    answer.body += data;
    return true;
  };
  if (auto done = perform(route, body, timeout, keep, answer.status); !done) return give_up(done.error());
  return answer;
}

Outcome<json> Client::exchange(std::string_view route, const std::string* body, std::chrono::milliseconds timeout) {
  auto answer = send(route, body, timeout);
  if (!answer) return give_up(answer.error());
  if (answer->status >= 400) return give_up(failure_of(answer->body, answer->status));
  json parsed = json::parse(answer->body, nullptr, false);
  return parsed.is_discarded() ? json::object() : parsed;
}

Outcome<json> Client::get(std::string_view route, std::chrono::milliseconds timeout) { return exchange(route, nullptr, timeout); }

Outcome<json> Client::post(std::string_view route, const json& body, std::chrono::milliseconds timeout) {
  const std::string text = text_of(body);
  return exchange(route, &text, timeout);
}

Status Client::stream(std::string_view route, const json& body, const std::function<bool(const json&)>& on_line) {
  const std::string text = text_of(body);
  std::string buffer;
  std::optional<Failure> failed;  // in mid-stream
  long status = 0;
  bool ended = false;  // by a "done": true
  bool enough = false;

  const auto take = [&](std::string_view line) {
    const json parsed = json::parse(line, nullptr, false);
    if (parsed.is_discarded()) return true;
    failed = failure_in(parsed, status);
    if (failed) return false;
    ended = parsed.value("done", false);
    enough = !on_line(parsed);
    return !enough;
  };
  const auto on_data = [&](std::string_view data) {
    buffer += data;
    if (status >= 400) return true;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (end > begin && !take(std::string_view(buffer).substr(begin, end - begin))) return false;
    }
    buffer.erase(0, begin);
    return true;
  };

  auto done = perform(route, &text, std::chrono::milliseconds(0), on_data, status);
  if (failed) return give_up(*failed);
  if (!done) return done;
  if (status >= 400) return give_up(failure_of(buffer, status));
  if (!ended && !enough)
    return give_up(ExitCode::kDaemonUnavailable, "mlxrunnerd ended in the middle of the answer. What happened: its log, and mlx doctor");
  return {};
}

bool Client::is_alive(std::chrono::milliseconds timeout) { return get("/api/version", timeout).has_value(); }

}  // namespace mlxr::cli
