#include "store/download.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

#include <curl/curl.h>

#include "platform/version.h"

namespace mlxr::store {
namespace {

constexpr int kAttempts = 5;

struct Transfer {
  CURL* curl = nullptr;
  PartialFile* file = nullptr;
  const DownloadOptions* options = nullptr;
  std::uint64_t asked_from = 0;     // bytes of the part that were there when the request was sent
  std::string etag, content_range;  // of the response whose headers are arriving
  bool body_begun = false;
  Result<void> failure;  // set by a callback that stops the transfer
};

long status_of(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {  // a new response: a redirect's headers do not count
    t.etag.clear();
    t.content_range.clear();
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "etag") t.etag = trimmed(line.substr(colon + 1));
  if (name == "content-range") t.content_range = trimmed(line.substr(colon + 1));
  return size;
}

// The body is about to come: decides whether it continues what is here.
Result<void> begin_body(Transfer& t) {
  const bool continues = status_of(t.curl) == 206;
  if (continues) {
    std::uint64_t from = 0;
    std::string_view range = t.content_range;
    if (range.starts_with("bytes ")) range.remove_prefix(6);
    const auto parsed = std::from_chars(range.data(), range.data() + range.size(), from);
    if (parsed.ec != std::errc() || from != t.asked_from)
      return fail(ErrorCode::kNetwork, "The server sent another range (" + t.content_range + ") than was asked for.");
  } else {
    if (auto ok = t.file->restart_part(); !ok) return ok;
    // A weak validator (W/"…") does not promise the same bytes.
    if (!t.etag.empty() && !t.etag.starts_with("W/")) {
      if (auto ok = t.file->set_validator(t.etag); !ok) return ok;
    }
  }
  curl_off_t length = -1;
  curl_easy_getinfo(t.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length <= 0) return {};
  if (auto ok = t.file->check_fits(static_cast<std::uint64_t>(length)); !ok) return ok;
  if (t.options->check_space) return t.options->check_space(static_cast<std::uint64_t>(length));
  return {};
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  if (status_of(t.curl) >= 300) return size;  // an error page
  if (!t.body_begun) {
    t.body_begun = true;
    t.failure = begin_body(t);
  }
  if (t.failure) t.failure = t.file->append({data, size});
  return t.failure ? size : 0;
}

int on_progress(void* user, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  auto& t = *static_cast<Transfer*>(user);
  if (t.options->cancelled != nullptr && t.options->cancelled->load()) {
    t.failure = fail(ErrorCode::kCancelled, "The download was cancelled; what arrived is kept.");
    return 1;
  }
  const auto here = t.file->size() - t.file->part_begin();
  const auto before = t.body_begun && status_of(t.curl) == 206 ? t.asked_from : 0;
  if (t.options->progress) t.options->progress(here, total > 0 ? before + static_cast<std::uint64_t>(total) : 0);
  return 0;
}

struct Attempt {
  Result<void> result;
  bool again = false;
};

Attempt attempt(CURL* curl, const std::string& url, PartialFile& file, const DownloadOptions& options) {
  curl_easy_reset(curl);
  Transfer t{.curl = curl, .file = &file, .options = &options, .asked_from = file.size() - file.part_begin()};
  char why[CURL_ERROR_SIZE] = "";
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, (std::string("mlxr/") + kVersion).c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, url.starts_with("https://") ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_time.count()));
  if (const char* certificates = std::getenv("SSL_CERT_FILE"); certificates != nullptr && *certificates != '\0')
    curl_easy_setopt(curl, CURLOPT_CAINFO, certificates);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
  // CURLOPT_RANGE and not CURLOPT_RESUME_FROM, which takes a server that ignores ranges for an error.
  if (t.asked_from > 0) {
    curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(t.asked_from) + "-").c_str());
    headers.reset(curl_slist_append(nullptr, ("If-Range: " + file.validator()).c_str()));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  }
  const CURLcode code = curl_easy_perform(curl);
  const long status = status_of(curl);
  if (!t.failure) return {std::move(t.failure), false};
  if (code == CURLE_OK && (status == 200 || status == 206)) {
    if (t.body_begun) return {{}, false};
    return {fail(ErrorCode::kNetwork, url + " is empty."), false};
  }
  if (status == 416) {  // nothing after what is here: it is another file, or complete; from the start is always right
    if (auto ok = file.restart_part(); !ok) return {std::move(ok), false};
    return {fail(ErrorCode::kNetwork, "The server refused to continue " + url + "."), true};
  }
  if (status == 404 || status == 410)
    return {fail(ErrorCode::kNotFound, "There is no file at " + url + " (HTTP " + std::to_string(status) + ")."), false};
  if (status == 401 || status == 403)
    return {fail(ErrorCode::kPermission, "The server does not give out " + url + " (HTTP " + std::to_string(status) + ")."), false};
  if (code == CURLE_OK) {
    const bool passing = status >= 500 || status == 429 || status == 408;
    return {fail(ErrorCode::kNetwork, "The server answered HTTP " + std::to_string(status) + " for " + url + "."), passing};
  }
  const bool hopeless = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT || code == CURLE_PEER_FAILED_VERIFICATION ||
                        code == CURLE_TOO_MANY_REDIRECTS;
  return {fail(ErrorCode::kNetwork,
               "The download of " + url + " broke off: " + (*why != '\0' ? why : curl_easy_strerror(code)) + ". Pull again to go on."),
          !hopeless};
}

}  // namespace

Result<void> download(const std::string& url, PartialFile& file, const DownloadOptions& options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (ready != CURLE_OK || !curl) return fail(ErrorCode::kInternal, "libcurl cannot be initialised.");
  for (int failures = 0;;) {
    // Without a validator nobody can say that the rest belongs to these bytes.
    if (file.validator().empty() && file.size() > file.part_begin()) {
      if (auto ok = file.restart_part(); !ok) return ok;
    }
    const auto before = file.size();
    auto [result, again] = attempt(curl.get(), url, file, options);
    if (result || !again) return result;
    failures = file.size() > before ? 1 : failures + 1;
    if (failures >= kAttempts) return result;
    for (int waited = 0; waited < (2 << failures); ++waited) {  // 0.4 s, 0.8 s, 1.6 s, 3.2 s
      if (options.cancelled != nullptr && options.cancelled->load())
        return fail(ErrorCode::kCancelled, "The download was cancelled; what arrived is kept.");
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
}

}  // namespace mlxr::store
