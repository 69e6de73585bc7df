#include "daemon/models/model_host.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

namespace mlxr::daemon {

ModelHost::ModelHost(Engine& engine, store::Store& store, const HostOptions& options)
    : engine_(engine), store_(store), options_(options), unloader_([this] { unload_when_due(); }) {}

ModelHost::~ModelHost() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  unloader_.join();
}

ModelHost::Lease::Lease(ModelHost& host, LoadedModel loaded, std::int64_t load_ns)
    : host_(host), loaded_(std::move(loaded)), load_ns_(load_ns) {}

ModelHost::Lease::~Lease() { host_.release(loaded_); }

Result<std::unique_ptr<ModelHost::Lease>> ModelHost::acquire(const std::string& name, const AcquireOptions& options) {
  const auto begin = Clock::now();
  if (name.find('/') != std::string::npos && name.find("://") == std::string::npos) {
    if (!options.allow_paths || !name.starts_with('/'))
      return fail(ErrorCode::kInvalidArgument,
                  "A file may be named as a model only by its absolute path, and over the Unix socket only: " + name);
  }
  auto record = store_.resolve(name);
  if (!record) return fail(record.error());

  const auto& key = record->sha256;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !loading_.contains(key); });
  auto found = entries_.find(key);
  const auto trained = static_cast<int>(std::min<std::uint64_t>(record->context_length, std::numeric_limits<int>::max()));
  const int wish = options.context != 0 ? options.context : options_.context;
  const int context = trained == 0 ? wish : std::min(wish, trained);
  const bool fits = found != entries_.end() && found->second.context == context;
  if (!fits) {
    loading_.insert(key);
    lock.unlock();
    const std::lock_guard one_load(load_mutex_);
    auto model = load_with_room(*record, context);
    lock.lock();
    loading_.erase(key);
    changed_.notify_all();
    if (!model) return fail(model.error());  // one that was loaded with another context stays
    // Requests that use the old one keep it until they end.
    Entry entry{.loaded = {.record = *record, .model = std::move(*model)}, .context = context};
    found = entries_.insert_or_assign(key, std::move(entry)).first;
    spdlog::info("loaded {} in {} ms", record->name, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count());
  }
  auto& entry = found->second;
  ++entry.loaded.in_use;
  entry.keep_alive = options.keep_alive.value_or(options_.keep_alive);
  entry.loaded.expires_at = std::chrono::system_clock::time_point::max();
  changed_.notify_all();
  const auto waited = fits && Clock::now() - begin < std::chrono::milliseconds(1) ? Clock::duration(0) : Clock::now() - begin;
  return std::make_unique<Lease>(*this, entry.loaded, std::chrono::duration_cast<std::chrono::nanoseconds>(waited).count());
}

Result<std::shared_ptr<Model>> ModelHost::load_with_room(const store::ModelRecord& record, int context) {
  for (;;) {
    auto model = engine_.load(
        record.file,
        {.panel_folder = options_.panel_folder, .digest = record.sha256, .panel_limit = options_.panel_limit, .context = context});
    if (model) {
      if (const auto& warning = (*model)->info().warning; !warning.empty()) spdlog::warn("{}", warning);
      if (auto room = make_room((*model)->info()); !room) return fail(room.error());
      return model;
    }
    if (model.error().code != ErrorCode::kOverloaded || !unload_longest_idle()) return model;
  }
}

// A model that was just loaded is mapped and has touched little memory yet, so this is early enough.
Result<void> ModelHost::make_room(const ModelInfo& info) {
  const auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  const auto needs = info.file.filename().string() + " needs " + mib(info.memory_bytes()) + " with a context of " +
                     std::to_string(info.context_length) + " tokens";
  if (info.memory_bytes() > options_.memory)
    return fail(ErrorCode::kNoSpace,
                needs + ", and the limit is " + mib(options_.memory) + ". Ask for a smaller context, or raise `memory` in server.yaml.");
  while (memory_in_use() + info.memory_bytes() > options_.memory)
    if (!unload_longest_idle())
      return fail(ErrorCode::kOverloaded, needs + ", and the models in use take " + mib(memory_in_use()) + " of " + mib(options_.memory) +
                                              ". Try again when they are done.");
  return {};
}

std::uint64_t ModelHost::memory_in_use() const {
  std::uint64_t sum = 0;
  for (const auto& one : loaded()) sum += one.model->info().memory_bytes();
  return sum;
}

bool ModelHost::unload_longest_idle() {
  std::lock_guard lock(mutex_);
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second.loaded.in_use > 0) continue;
    if (oldest == entries_.end() || it->second.last_used < oldest->second.last_used) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  spdlog::info("unloaded {} to make room", oldest->second.loaded.record.name);
  entries_.erase(oldest);
  return true;
}

bool ModelHost::unload(const std::string& name) {
  const auto record = store_.find(name);
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(entries_, [&](const auto& one) {
    return record ? one.first == record->sha256 : one.second.loaded.record.name == name;  // the latter: a file that was never imported
  });
  if (found == entries_.end()) return false;
  if (found->second.loaded.in_use > 0) {
    found->second.keep_alive = Duration(0);
  } else {
    spdlog::info("unloaded {}", found->second.loaded.record.name);
    entries_.erase(found);
  }
  changed_.notify_all();
  return true;
}

void ModelHost::release(const LoadedModel& lent) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(lent.record.sha256);
  if (found == entries_.end() || found->second.loaded.model != lent.model) return;  // replaced meanwhile
  auto& entry = found->second;
  if (--entry.loaded.in_use > 0) return;
  entry.last_used = Clock::now();
  entry.loaded.expires_at =
      entry.keep_alive == kForever ? std::chrono::system_clock::time_point::max() : std::chrono::system_clock::now() + entry.keep_alive;
  changed_.notify_all();
}

void ModelHost::unload_when_due() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    auto next = Clock::time_point::max();
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto& entry = it->second;
      const bool counts = entry.loaded.in_use == 0 && entry.keep_alive != kForever;
      const auto due = counts ? entry.last_used + entry.keep_alive : Clock::time_point::max();
      if (counts && due <= Clock::now()) {
        spdlog::info("unloaded {}, idle", entry.loaded.record.name);
        it = entries_.erase(it);
        continue;
      }
      next = std::min(next, due);
      ++it;
    }
    if (next == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, next);
    }
  }
}

std::vector<LoadedModel> ModelHost::loaded() const {
  std::lock_guard lock(mutex_);
  std::vector<LoadedModel> all;
  for (const auto& [hash, entry] : entries_) all.push_back(entry.loaded);
  return all;
}

}  // namespace mlxr::daemon
