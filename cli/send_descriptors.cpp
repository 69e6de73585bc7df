// Client::send_descriptors. libcurl cannot send a descriptor, so this request has a connection of its own.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "cli/client.h"
#include "cli/unix_connection.h"

namespace mlxr::cli {
namespace {

using Clock = std::chrono::steady_clock;

#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;  // macOS: SIGPIPE is ignored (cli/interrupt.h)
#endif

// How a step on the connection ended.
enum class Step { kDone, kBroken, kTimedOut, kCancelled };

// Waits for one of `events`, a moment at a time, so that Ctrl-C is noticed.
Step wait_for(int descriptor, short events, Clock::time_point deadline, const std::atomic<bool>& cancelled) {
  constexpr int kMilliseconds = 50;
  while (!cancelled) {
    if (Clock::now() >= deadline) return Step::kTimedOut;
    pollfd one{descriptor, events, 0};
    const int ready = ::poll(&one, 1, kMilliseconds);
    if (ready > 0) return Step::kDone;
    if (ready < 0 && errno != EINTR) return Step::kBroken;
  }
  return Step::kCancelled;
}

bool is_busy() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// Like send(); the first byte comes with `files`.
ssize_t send_with(int descriptor, std::string_view bytes, std::span<const int> files) {
  // A vector's memory is aligned for every type.
  std::vector<char> control(CMSG_SPACE(files.size_bytes()));
  iovec data{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  auto* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(files.size_bytes());
  std::memcpy(CMSG_DATA(part), files.data(), files.size_bytes());
  return ::sendmsg(descriptor, &message, kNoSignal);
}

Step send_all(int descriptor, std::string_view bytes, std::span<const int> files, Clock::time_point deadline,
              const std::atomic<bool>& cancelled) {
  bool is_first = true;
  while (!bytes.empty()) {
    const auto n = is_first ? send_with(descriptor, bytes, files) : ::send(descriptor, bytes.data(), bytes.size(), kNoSignal);
    if (n < 0 && !is_busy()) return Step::kBroken;
    if (n < 0) {
      if (const auto ready = wait_for(descriptor, POLLOUT, deadline, cancelled); ready != Step::kDone) return ready;
      continue;
    }
    is_first = false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Step::kDone;
}

// To the end of the connection.
Step read_all(int descriptor, std::string& bytes, Clock::time_point deadline, const std::atomic<bool>& cancelled) {
  std::array<char, 4096> piece;
  for (;;) {
    const auto n = ::recv(descriptor, piece.data(), piece.size(), 0);
    if (n == 0) return Step::kDone;
    if (n < 0 && !is_busy()) return Step::kBroken;
    if (n > 0) {
      bytes.append(piece.data(), static_cast<std::size_t>(n));
    } else if (const auto ready = wait_for(descriptor, POLLIN, deadline, cancelled); ready != Step::kDone) {
      return ready;
    }
  }
}

// "HTTP/1.1 200 OK", headers, an empty line, the body. Nothing when that is not what came.
std::optional<HttpAnswer> parse(std::string_view bytes) {
  HttpAnswer answer;
  const auto space = bytes.find(' '), end = bytes.find("\r\n\r\n");
  if (!bytes.starts_with("HTTP/1.") || space == std::string_view::npos || end == std::string_view::npos || space > end) return std::nullopt;
  const auto* const number = bytes.data() + space + 1;
  if (std::from_chars(number, bytes.data() + end, answer.status).ec != std::errc()) return std::nullopt;
  answer.body = bytes.substr(end + 4);
  return answer;
}

}  // namespace

Answered<HttpAnswer> Client::send_descriptors(std::string_view route, const std::string& body, std::span<const int> descriptors,
                                              std::chrono::milliseconds timeout) {
  const auto connection = connect_to(socket_);
  if (!connection) return std::unexpected(ClientError(connection.error()));
  if (connection->error != 0) return no_connection();
  const int socket = connection->descriptor.get();
  const auto deadline = Clock::now() + timeout;
  const std::string request = "POST " + std::string(route) +
                              " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string bytes;
  auto step = send_all(socket, request, descriptors, deadline, cancelled_);
  if (step == Step::kDone) step = read_all(socket, bytes, deadline, cancelled_);
  switch (step) {
    case Step::kCancelled: return refused(ErrorCode::kCancelled, "");
    case Step::kTimedOut: return no_answer("did not answer within " + std::to_string(timeout.count() / 1000) + " s");
    case Step::kBroken: return no_answer("closed the connection");
    case Step::kDone: break;
  }
  auto answer = parse(bytes);
  if (!answer) return no_answer("closed the connection");
  return *std::move(answer);
}

}  // namespace mlxr::cli
