#include "cli/client.h"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/listener.h"

namespace mlxr::cli {
namespace {

using nlohmann::json;

// The longest time until Ctrl-C is noticed.
constexpr int kPollMilliseconds = 50;

ErrorCode code_of_status(long status) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::kPermission;
    case 404: return ErrorCode::kNotFound;
    case 503: return ErrorCode::kOverloaded;
    default: return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
  }
}

// The daemon's {"error": "sentence", "code": "name"}, or nothing if the answer is not an error. For codes that only the API has, such as
// "unknown_parameter", the HTTP status decides.
std::optional<ClientError> error_in(const json& answer, long status) {
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_string()) return std::nullopt;
  const auto message = answer["error"].get<std::string>();
  const auto code = error_code_from_name(answer.value("code", ""));
  // The daemon cancels answers when it stops. The user did not press Ctrl-C.
  if (code == ErrorCode::kCancelled) return ClientError(ClientError::Kind::kUnavailable, message);
  return ClientError(Error{code.value_or(code_of_status(status)), message});
}

ClientError error_of(const std::string& body, long status) {
  if (auto error = error_in(json::parse(body, nullptr, false), status)) return *error;
  return Error{code_of_status(status), "mlxrunnerd answered with HTTP status " + std::to_string(status) + "."};
}

std::string text_of(const json& body) { return body.dump(-1, ' ', false, json::error_handler_t::replace); }

std::size_t pass_on(char* data, std::size_t size, std::size_t count, void* callback) {
  const auto& on_data = *static_cast<const std::function<bool(std::string_view)>*>(callback);
  return on_data({data, size * count}) ? size * count : 0;  // any other number makes libcurl stop
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

std::unexpected<ClientError> Client::no_connection() const {
  const auto listener = find_listener(socket_);
  if (!listener) return std::unexpected(ClientError(listener.error()));
  if (!*listener) return not_running("mlxrunnerd is not running: nothing listens on " + socket_.string() + ". Start it with: mlx serve");
  return no_answer("does not accept the connection");
}

std::unexpected<ClientError> Client::no_answer(const std::string& how) const {
  const auto listener = find_listener(socket_);
  const pid_t pid = listener && *listener ? (*listener)->pid : 0;
  std::string message =
      "mlxrunnerd" + (pid > 0 ? " (pid " + std::to_string(pid) + ") " : " ") + how + " on " + socket_.string() + ". Its log: mlx logs.";
  if (pid > 0) message += " If it hangs, end it with: kill -9 " + std::to_string(pid);
  return unavailable(std::move(message));
}

Answered<void> Client::perform(std::string_view route, const std::string* body, std::chrono::milliseconds timeout,
                               const std::function<bool(std::string_view)>& on_data, long& http_status) {
  const std::unique_ptr<CURL, EasyCloser> easy(curl_easy_init());
  const std::unique_ptr<CURLM, MultiCloser> multi(curl_multi_init());
  const std::unique_ptr<curl_slist, ListCloser> headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  if (!easy || !multi || !headers) return refused(ErrorCode::kInternal, "libcurl could not be started.");

  const std::string url = "http://localhost" + std::string(route);
  const std::string socket = socket_.string();
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");  // http_proxy does not apply to a local socket
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

  if (running > 0) return refused(ErrorCode::kCancelled, "");
  switch (result) {
    case CURLE_OK: return {};
    case CURLE_WRITE_ERROR: return {};  // `on_data` returned false
    case CURLE_COULDNT_CONNECT: return no_connection();
    case CURLE_OPERATION_TIMEDOUT: return no_answer("did not answer within " + std::to_string(timeout.count() / 1000) + " s");
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return no_answer("closed the connection");
    default: return no_answer("dropped the connection (" + std::string(curl_easy_strerror(result)) + ")");
  }
}

Answered<HttpAnswer> Client::send(std::string_view route, const std::string* body, std::chrono::milliseconds timeout) {
  HttpAnswer answer;
  const auto keep = [&](std::string_view data) {
    answer.body += data;
    return true;
  };
  if (auto done = perform(route, body, timeout, keep, answer.status); !done) return std::unexpected(done.error());
  return answer;
}

Answered<json> Client::exchange(std::string_view route, const std::string* body, std::chrono::milliseconds timeout) {
  const auto answer = send(route, body, timeout);
  return answer ? json_of(*answer) : std::unexpected(answer.error());
}

Answered<json> Client::json_of(const HttpAnswer& answer) {
  if (answer.status >= 400) return std::unexpected(error_of(answer.body, answer.status));
  json parsed = json::parse(answer.body, nullptr, false);
  return parsed.is_discarded() ? json::object() : parsed;
}

Answered<json> Client::get(std::string_view route, std::chrono::milliseconds timeout) { return exchange(route, nullptr, timeout); }

Answered<json> Client::post(std::string_view route, const json& body, std::chrono::milliseconds timeout) {
  const std::string text = text_of(body);
  return exchange(route, &text, timeout);
}

Answered<void> Client::stream(std::string_view route, const json& body, const std::function<bool(const json&)>& on_line) {
  const std::string text = text_of(body);
  std::string buffer;
  std::optional<ClientError> failed;  // in mid-stream
  long status = 0;
  bool ended = false;  // by a "done": true
  bool enough = false;

  const auto take = [&](std::string_view line) {
    const json parsed = json::parse(line, nullptr, false);
    if (parsed.is_discarded()) return true;
    failed = error_in(parsed, status);
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
  if (failed) return std::unexpected(*failed);
  if (!done) return done;
  if (status >= 400) return std::unexpected(error_of(buffer, status));
  if (!ended && !enough) return unavailable("mlxrunnerd exited in the middle of the answer. See why: mlx logs");
  return {};
}

bool Client::is_alive(std::chrono::milliseconds timeout) { return get("/api/version", timeout).has_value(); }

}  // namespace mlxr::cli
