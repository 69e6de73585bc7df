#include "store/download.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <thread>

namespace mlxr::store {
namespace {

constexpr int kAttempts = 5;

// The validator for If-Range. A weak ETag (W/"…") does not guarantee identical bytes.
std::string validator_of(const HttpHead& head) {
  auto etag = head.header("etag");
  return etag.empty() || etag.starts_with("W/") ? head.header("last-modified") : etag;
}

// One attempt: receives the response and writes it to the file.
class Attempt {
 public:
  Attempt(const Address& address, PartialFile& file, const DownloadOptions& options)
      : address_(address), file_(file), options_(options), asked_from_(file.size() - file.part_begin()) {}

  struct Outcome {
    Result<void> result;
    bool again = false;
  };

  Outcome run() {
    HttpRequest request{.address = address_,
                        .allow_plain_http = options_.allow_plain_http,
                        .bearer = options_.bearer,
                        .certificates = options_.certificates,
                        .stall_time = options_.stall_time,
                        .cancelled = options_.cancelled,
                        .on_head = [this](const HttpHead& head) { return begin(head); },
                        .on_body = [this](std::string_view bytes) { return append(bytes); },
                        .on_progress = [this] { report(); }};
    if (asked_from_ > 0) request.headers = {"Range: bytes=" + std::to_string(asked_from_) + "-", "If-Range: " + file_.validator()};
    const auto answer = http_request(request);
    if (!answer) {
      using Kind = HttpFailure::Kind;
      const auto kind = answer.error().kind;
      return {fail(answer.error().error), kind == Kind::kBroken || (kind == Kind::kUnreachable && options_.retry_unreachable)};
    }
    return judge(answer->head.status);
  }

 private:
  Outcome judge(long status) {
    if (status == 416) {  // nothing follows the bytes that we have: the file is complete, or has changed. Starting over is always correct
      if (auto ok = file_.restart_part(); !ok) return {std::move(ok), false};
      return {fail(ErrorCode::kNetwork, "The server refused to continue " + address_.shown() + "."), true};
    }
    if (auto ok = http_status_error(status, address_); !ok) {
      const bool is_passing = status >= 500 || status == 429 || status == 408;
      return {std::move(ok), is_passing};
    }
    if (file_.size() == file_.part_begin()) return {fail(ErrorCode::kNetwork, address_.shown() + " is empty."), false};
    return {{}, false};
  }

  // Decides whether the body continues the bytes that we have.
  Result<void> begin(const HttpHead& head) {
    continues_ = head.status == 206;
    if (continues_) {
      const auto range = head.header("content-range");
      std::uint64_t from = 0;
      const auto digits = range.starts_with("bytes ") ? std::string_view(range).substr(6) : std::string_view();
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), from);
      if (parsed.ec != std::errc() || from != asked_from_)
        return fail(ErrorCode::kNetwork, "The server sent another range (" + range + ") of " + address_.shown() + " than was asked for.");
    } else {
      if (auto ok = file_.restart_part(); !ok) return ok;
      if (auto validator = validator_of(head); !validator.empty()) {
        if (auto ok = file_.set_validator(std::move(validator)); !ok) return ok;
      }
    }
    const auto length = head.content_length();
    if (!length && file_.limit() == 0)
      return fail(ErrorCode::kNetwork, "The server does not say how many bytes " + address_.shown() + " has. The download was refused.");
    if (!length) return {};
    total_ = (continues_ ? asked_from_ : 0) + *length;
    if (auto ok = file_.check_fits(*length); !ok) return ok;
    return options_.check_space ? options_.check_space(*length) : Result<void>{};
  }

  Result<void> append(std::string_view bytes) {
    if (auto ok = file_.append(bytes); !ok) return ok;
    return options_.inspect ? options_.inspect() : Result<void>{};
  }

  void report() const {
    if (options_.progress) options_.progress(file_.size() - file_.part_begin(), total_);
  }

  const Address& address_;
  PartialFile& file_;
  const DownloadOptions& options_;
  const std::uint64_t asked_from_;  // bytes of the part before the request was sent
  bool continues_ = false;
  std::uint64_t total_ = 0;  // of the part; 0 while unknown
};

// 0.4 s, 0.8 s, 1.6 s, 3.2 s. False when cancelled.
bool wait_before(int attempt, const std::atomic<bool>* cancelled) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200) * (1 << attempt);
  while (std::chrono::steady_clock::now() < end) {
    if (cancelled != nullptr && cancelled->load()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace

Result<void> download(const Address& address, PartialFile& file, const DownloadOptions& options) {
  auto furthest = file.size();
  for (int failures = 0;;) {
    // Without a validator it is unknown whether the rest belongs to these bytes.
    if (file.validator().empty() && file.size() > file.part_begin()) {
      if (auto ok = file.restart_part(); !ok) return ok;
    }
    auto [result, again] = Attempt(address, file, options).run();
    if (result || !again) return result;
    failures = file.size() > furthest ? 1 : failures + 1;
    furthest = std::max(furthest, file.size());
    if (failures >= kAttempts)
      return fail(result.error().code, result.error().message + " " + std::to_string(kAttempts) + " attempts made no progress.");
    if (!wait_before(failures, options.cancelled))
      return fail(ErrorCode::kCancelled, "The download was cancelled; the partial file is kept.");
  }
}

}  // namespace mlxr::store
