#include "daemon/models/model_host.h"

#include <spdlog/spdlog.h>

namespace mlxr::daemon {

ModelHost::ModelHost(Engine& engine, store::Store& store, Duration keep_alive, int context)
    : engine_(engine), store_(store), default_keep_alive_(keep_alive), default_context_(context), unloader_([this] {
        unload_when_due();
      }) {}

ModelHost::~ModelHost() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  unloader_.join();
}

ModelHost::Lease::Lease(ModelHost& host, std::string name, LoadedModel loaded, std::int64_t load_ns)
    : host_(host), name_(std::move(name)), loaded_(std::move(loaded)), load_ns_(load_ns) {}

ModelHost::Lease::~Lease() { host_.release(name_, loaded_.model); }

Result<std::unique_ptr<ModelHost::Lease>> ModelHost::acquire(const std::string& name, const AcquireOptions& options) {
  const auto begin = Clock::now();
  if (name.find('/') != std::string::npos && name.find("://") == std::string::npos) {
    if (!options.allow_paths || !name.starts_with('/'))
      return fail(ErrorCode::kInvalidArgument,
                  "A file may be named as a model only by its absolute path, and over the Unix socket only: " + name);
  }
  auto record = store_.resolve(name);
  if (!record) return fail(record.error());

  std::unique_lock lock(mutex_);
  const auto is_loading = [&] {
    const auto found = entries_.find(record->name);
    return found != entries_.end() && !found->second.loaded.model;
  };
  changed_.wait(lock, [&] { return !is_loading(); });
  auto found = entries_.find(record->name);
  const int context = options.context != 0 ? options.context : default_context_;
  const bool fits = found != entries_.end() && found->second.loaded.record.sha256 == record->sha256 && found->second.context == context;
  if (!fits) {
    entries_.insert_or_assign(
        record->name, Entry{.loaded = {.record = *record}, .context = context});  // requests that use the old one keep it until they end
    lock.unlock();
    auto model = load_with_room(*record, context);
    lock.lock();
    if (!model) {
      entries_.erase(record->name);
      changed_.notify_all();
      return fail(model.error());
    }
    found = entries_.find(record->name);
    found->second.loaded.model = std::move(*model);
    spdlog::info("loaded {} in {} ms", record->name, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count());
  }
  auto& entry = found->second;
  ++entry.loaded.in_use;
  entry.keep_alive = options.keep_alive.value_or(default_keep_alive_);
  entry.loaded.expires_at = std::chrono::system_clock::time_point::max();
  changed_.notify_all();
  const auto waited = fits && Clock::now() - begin < std::chrono::milliseconds(1) ? Clock::duration(0) : Clock::now() - begin;
  return std::make_unique<Lease>(*this, record->name, entry.loaded, std::chrono::duration_cast<std::chrono::nanoseconds>(waited).count());
}

Result<std::shared_ptr<Model>> ModelHost::load_with_room(const store::ModelRecord& record, int context) {
  for (;;) {
    auto model = engine_.load(record.file, {.context = context});
    if (model || model.error().code != ErrorCode::kOverloaded || !unload_longest_idle()) return model;
  }
}

bool ModelHost::unload_longest_idle() {
  std::lock_guard lock(mutex_);
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (!it->second.loaded.model || it->second.loaded.in_use > 0) continue;
    if (oldest == entries_.end() || it->second.last_used < oldest->second.last_used) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  spdlog::info("unloaded {} to make room", oldest->first);
  entries_.erase(oldest);
  return true;
}

bool ModelHost::unload(const std::string& name) {
  const auto record = store_.find(name);
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(record ? record->name : name);
  if (found == entries_.end() || !found->second.loaded.model) return false;
  if (found->second.loaded.in_use > 0) {
    found->second.keep_alive = Duration(0);
  } else {
    spdlog::info("unloaded {}", found->first);
    entries_.erase(found);
  }
  changed_.notify_all();
  return true;
}

void ModelHost::release(const std::string& name, const std::shared_ptr<Model>& model) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.loaded.model != model) return;  // replaced meanwhile
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
      const bool counts = entry.loaded.model && entry.loaded.in_use == 0 && entry.keep_alive != kForever;
      const auto due = counts ? entry.last_used + entry.keep_alive : Clock::time_point::max();
      if (counts && due <= Clock::now()) {
        spdlog::info("unloaded {}, idle", it->first);
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
  for (const auto& [name, entry] : entries_)
    if (entry.loaded.model) all.push_back(entry.loaded);
  return all;
}

}  // namespace mlxr::daemon
