#include "app/host/bridge.h"

#include <algorithm>

namespace mlxr::app {
namespace {

using nlohmann::json;

// Starting or stopping the daemon takes seconds; other methods run in parallel.
constexpr int kThreads = 4;

std::expected<json, BridgeError> result_of(const json& request, const Methods& methods, const std::atomic<bool>& cancelled) {
  if (!request.is_object()) return refuse("invalid_request", "The request is not a JSON object.");
  const json id = request.value("id", json());
  if (!id.is_number() && !id.is_string()) return refuse("invalid_request", "The request has no 'id' that is a number or a string.");
  for (const auto& [name, ignored] : request.items()) {
    if (name != "id" && name != "method" && name != "params") return refuse("invalid_request", "A request has no '" + name + "'.");
  }
  const json method = request.value("method", json());
  if (!method.is_string()) return refuse("invalid_request", "The request has no 'method' that is a string.");
  const json params = request.value("params", json::object());
  if (!params.is_object()) return refuse("invalid_params", "'params' is not an object.");
  const auto found = methods.find(method.get_ref<const std::string&>());
  if (found == methods.end()) return refuse("unknown_method", "There is no method '" + method.get<std::string>() + "'.");
  return found->second(params, cancelled);
}

}  // namespace

std::expected<void, BridgeError> check_names(const json& params, std::initializer_list<std::string_view> known) {
  for (const auto& [name, ignored] : params.items()) {
    if (std::ranges::find(known, name) == known.end()) return refuse("invalid_params", "There is no parameter '" + name + "' here.");
  }
  return {};
}

Bridge::Bridge(Methods methods, Post post) : methods_(std::move(methods)), post_(std::move(post)) {
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
}

Bridge::~Bridge() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Bridge::handle(std::string request, Reply reply) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(request), std::move(reply)});
  }
  arrived_.notify_one();
}

void Bridge::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return cancelled_ || !jobs_.empty(); });
    if (cancelled_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    std::string text = answer(job.request);
    post_([reply = std::move(job.reply), text = std::move(text)] { reply(text); });
    lock.lock();
  }
}

std::string Bridge::answer(std::string_view request) const {
  const json parsed = json::parse(request, nullptr, false);
  const auto result =
      parsed.is_discarded() ? refuse("invalid_request", "The request is not JSON.") : result_of(parsed, methods_, cancelled_);
  json told{{"id", nullptr}};
  if (parsed.is_object() && parsed.contains("id") && (parsed["id"].is_number() || parsed["id"].is_string())) told["id"] = parsed["id"];
  if (result) {
    told["result"] = *result;
  } else {
    told["error"] = {{"code", result.error().code}, {"message", result.error().message}};
  }
  return told.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace mlxr::app
