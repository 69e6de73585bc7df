#include "store/http.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "platform/version.h"
#include "store/curl.h"

namespace mlxr::store {
namespace {

constexpr int kMostRedirects = 10;
constexpr long kSlowestBytesPerSecond = 16;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The proxy that libcurl would use for an address, without its password; empty if there is none. For messages only, because libcurl
// decides which hosts no_proxy excludes.
std::string proxy_for(const Address& address) {
  const std::array<const char*, 4> names = address.is_https() ? std::array{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}
                                                              : std::array{"http_proxy", "all_proxy", "ALL_PROXY", "http_proxy"};
  for (const char* name : names) {
    const auto value = environment(name);
    if (value.empty()) continue;
    const auto at = value.rfind('@');
    const auto scheme = value.find("://");
    const auto host = at == std::string::npos ? (scheme == std::string::npos ? value : value.substr(scheme + 3)) : value.substr(at + 1);
    return std::string(name) + "=" + host.substr(0, host.find('/'));
  }
  return {};
}

// One response in the chain of redirects, while it arrives.
struct Hop {
  const HttpRequest& request;
  HttpHead head;
  bool body_begun = false;
  Result<void> failure;  // set by a callback that stops the transfer

  bool succeeds() const { return head.status >= 200 && head.status < 300; }
  bool begin_body() {
    if (std::exchange(body_begun, true) || !request.on_head) return true;
    failure = request.on_head(head);
    return failure.has_value();
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& hop = *static_cast<Hop*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // also after a 1xx response
    hop.head = {};
    const auto space = line.find(' ');
    if (space != std::string_view::npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), hop.head.status);
    return size;
  }
  const auto colon = line.find(':');
  if (colon != std::string_view::npos) hop.head.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& hop = *static_cast<Hop*>(user);
  if (!hop.succeeds()) return size;  // the page of a redirect or an error
  if (!hop.begin_body()) return 0;
  if (hop.request.on_body) hop.failure = hop.request.on_body({data, size});
  return hop.failure ? size : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& hop = *static_cast<Hop*>(user);
  if (hop.request.cancelled != nullptr && hop.request.cancelled->load()) {
    hop.failure = fail(ErrorCode::kCancelled, "The download was cancelled; the partial file is kept.");
    return 1;
  }
  if (hop.request.on_progress) hop.request.on_progress();
  return 0;
}

HttpFailure transport_failure(const Curl& curl, CURLcode code, const Address& address) {
  using Kind = HttpFailure::Kind;
  const auto proxy = proxy_for(address);
  const auto through = proxy.empty() ? "" : " (through the proxy of " + proxy + ")";
  const auto because = curl.reason(code) + through + ".";
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: return {Kind::kUnreachable, {ErrorCode::kNetwork, address.host() + " cannot be reached: " + because}};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return {Kind::kFinal, {ErrorCode::kNetwork, "The connection to " + address.host() + " was refused: " + because}};
    default: return {Kind::kBroken, {ErrorCode::kNetwork, "The download of " + address.shown() + " broke off: " + because}};
  }
}

Result<void> check_transport(const Address& address, const HttpRequest& request) {
  if (address.is_https()) return {};
  if (request.address.is_https())
    return fail(ErrorCode::kNetwork,
                request.address.shown() + " leads to " + address.shown() + ", which is not encrypted. The download was refused.");
  if (address.is_loopback() || request.allow_plain_http) return {};
  return fail(ErrorCode::kInvalidArgument, address.shown() +
                                               " is not encrypted: others on the network can replace the file. Use https://. To "
                                               "download over plain HTTP anyway: mlx pull --insecure");
}

std::expected<HttpHead, HttpFailure> request_hop(const Address& address, const HttpRequest& request, long& status, std::string& next) {
  using Kind = HttpFailure::Kind;
  if (auto ok = check_transport(address, request); !ok) return std::unexpected(HttpFailure{Kind::kFinal, ok.error()});
  Hop hop{.request = request};
  Curl curl;
  curl.set(CURLOPT_URL, address.whole().c_str())
      .set(CURLOPT_USERAGENT, (std::string("mlxr/") + kVersion).c_str())
      .set(CURLOPT_FOLLOWLOCATION, 0L)  // http_request follows, and checks each address first
      .set(CURLOPT_NOBODY, request.head_only ? 1L : 0L)
      .set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_time.count()))
      .set(CURLOPT_LOW_SPEED_LIMIT, kSlowestBytesPerSecond)
      .set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_time.count()))
      .set(CURLOPT_HEADERFUNCTION, on_header)
      .set(CURLOPT_HEADERDATA, &hop)
      .set(CURLOPT_WRITEFUNCTION, on_body)
      .set(CURLOPT_WRITEDATA, &hop)
      .set(CURLOPT_NOPROGRESS, 0L)
      .set(CURLOPT_XFERINFOFUNCTION, on_progress)
      .set(CURLOPT_XFERINFODATA, &hop);
  const auto certificates = request.certificates.empty() ? environment("SSL_CERT_FILE") : request.certificates;
  if (!certificates.empty()) curl.set(CURLOPT_CAINFO, certificates.c_str());
  for (const auto& header : request.headers) curl.add_header(header);
  if (!request.bearer.empty() && address.origin() == request.address.origin()) curl.add_header("Authorization: Bearer " + request.bearer);
  if (auto ok = curl.ready(); !ok) return std::unexpected(HttpFailure{Kind::kFinal, ok.error()});

  const CURLcode code = curl.perform();
  if (!hop.failure) return std::unexpected(HttpFailure{Kind::kFinal, hop.failure.error()});
  if (code != CURLE_OK) {
    curl_off_t connected = 0;
    curl_easy_getinfo(curl.handle(), CURLINFO_APPCONNECT_TIME_T, &connected);
    auto failure = transport_failure(curl, code, address);
    const bool no_response = hop.head.status == 0 && connected == 0;
    if (code == CURLE_OPERATION_TIMEDOUT && no_response) failure.kind = Kind::kUnreachable;
    return std::unexpected(std::move(failure));
  }
  if (hop.succeeds() && !hop.begin_body()) return std::unexpected(HttpFailure{Kind::kFinal, hop.failure.error()});  // an empty body
  status = hop.head.status;
  char* location = nullptr;
  curl_easy_getinfo(curl.handle(), CURLINFO_REDIRECT_URL, &location);
  next = location == nullptr ? "" : location;
  return std::move(hop.head);
}

}  // namespace

std::string HttpHead::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::optional<std::uint64_t> HttpHead::content_length() const {
  const auto text = header("content-length");
  std::uint64_t length = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return length;
}

std::optional<std::time_t> HttpHead::last_modified() const {
  const auto time = curl_getdate(header("last-modified").c_str(), nullptr);
  return time < 0 ? std::nullopt : std::optional(time);
}

std::string HttpAnswer::header_of_any(std::string_view name) const {
  if (auto value = head.header(name); !value.empty()) return value;
  for (const auto& redirect : redirects)
    if (auto value = redirect.header(name); !value.empty()) return value;
  return {};
}

std::expected<HttpAnswer, HttpFailure> http_request(const HttpRequest& request) {
  HttpAnswer answer;
  Address address = request.address;
  for (;;) {
    long status = 0;
    std::string next;
    auto head = request_hop(address, request, status, next);
    if (!head) return std::unexpected(head.error());
    if (status < 300 || status >= 400 || next.empty()) {
      answer.head = std::move(*head);
      return answer;
    }
    answer.redirects.push_back(std::move(*head));
    auto target = Address::parse(next);
    const bool is_endless = answer.redirects.size() > kMostRedirects;
    if (!target || is_endless) {
      const auto* why = is_endless ? " redirects without end." : " redirects to something that is not an HTTP address.";
      return std::unexpected(HttpFailure{HttpFailure::Kind::kFinal, {ErrorCode::kNetwork, request.address.shown() + why}});
    }
    address = std::move(*target);
  }
}

Result<std::string> http_text(HttpRequest request, std::size_t most) {
  std::string text;
  request.on_body = [&](std::string_view bytes) -> Result<void> {
    if (text.size() + bytes.size() > most)
      return fail(ErrorCode::kCorrupt, "The answer of " + request.address.shown() + " is longer than " + std::to_string(most) + " bytes.");
    text += bytes;
    return {};
  };
  const auto answer = http_request(request);
  if (!answer) return fail(answer.error().error);
  if (auto ok = http_status_error(answer->head.status, request.address); !ok) return fail(ok.error());
  return text;
}

Result<void> http_status_error(long status, const Address& address) {
  if (status >= 200 && status < 300) return {};
  const auto number = " (HTTP " + std::to_string(status) + ").";
  if (status == 404 || status == 410) return fail(ErrorCode::kNotFound, "There is no file at " + address.shown() + number);
  if (status == 401 || status == 403) return fail(ErrorCode::kPermission, "The server denies access to " + address.shown() + number);
  return fail(ErrorCode::kNetwork, "The server answered HTTP " + std::to_string(status) + " for " + address.shown() + ".");
}

}  // namespace mlxr::store
