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

ModelHost::Lease::Lease(ModelHost& host, LoadedModel loaded, bool is_probe, std::int64_t load_ns)
    : host_(host), loaded_(std::move(loaded)), is_probe_(is_probe), load_ns_(load_ns) {}

ModelHost::Lease::~Lease() { host_.release(loaded_, is_probe_); }

Result<std::unique_ptr<ModelHost::Lease>> ModelHost::acquire(const std::string& name, const AcquireOptions& options) {
  const auto asked_at = Clock::now();
  // Only the clients of a daemon that stops read this: the others have gone.
  const auto cancelled_or = [](Error error) {
    if (error.code == ErrorCode::kCancelled) error.message = "mlxrunnerd stops; the model was not loaded.";
    return fail(std::move(error));
  };
  const auto opened = open_model(name, options);
  if (!opened) return cancelled_or(opened.error());
  const auto& record = (*opened)->record;
  const int context = limited_context(record, options);

  std::shared_ptr<Lease> just_loaded;  // keeps the model until this caller has a lease of its own
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      const auto found = entries_.find(record.sha256);
      if (found != entries_.end() && found->second.context >= context && found->second.loaded.model->is_intact()) {
        auto& entry = found->second;
        entry.names.insert(name);
        if (options.keep_alive) entry.keep_alive = *options.keep_alive;
        return lend(entry, options.is_probe && !just_loaded, asked_at);
      }
    }
    auto loaded =
        loads_.run(record.sha256, options.client, [&](const std::atomic<bool>& cancelled) { return load(**opened, context, cancelled); });
    if (!loaded) return cancelled_or(loaded.error());
    just_loaded = std::move(*loaded);
  }
}

Result<ModelHost::Checked> ModelHost::open_model(const std::string& name, const AcquireOptions& options) {
  const auto share = [](Result<store::OpenModel> opened) -> Result<Checked> {
    if (!opened) return fail(opened.error());
    return std::make_shared<const store::OpenModel>(std::move(*opened));
  };
  if (!OpenedFiles::is_reference(name)) {
    const auto ref = store::ModelRef::parse(name, options.allow_paths ? store::PathRule::kAbsolute : store::PathRule::kNever);
    if (!ref) return fail(ref.error());
    return checks_.run(name, options.client,
                       [&](const std::atomic<bool>& cancelled) { return share(store_.open_model(*ref, {.cancelled = &cancelled})); });
  }
  if (!options.allow_paths) return fail(ErrorCode::kInvalidArgument, "An opened model can be used over the Unix socket only.");
  const auto kept = opened_.find(name);
  if (!kept) return fail(kept.error());
  if (kept->checked != nullptr) return kept->checked;
  return checks_.run(name, options.client, [&](const std::atomic<bool>& cancelled) {
    auto checked = share(store_.open_files(*kept->files, kept->sha256, {.cancelled = &cancelled}));
    if (checked) opened_.remember(*kept, *checked);
    return checked;
  });
}

void ModelHost::stop_loading() {
  checks_.close();
  loads_.close();
}

void ModelHost::close_unused_files() {
  constexpr std::chrono::minutes kIdleTime{1};  // between the requests of one command
  opened_.close_unused(kIdleTime, [this](const std::string& sha256) {
    const std::lock_guard lock(mutex_);
    return entries_.contains(sha256);
  });
}

std::unique_ptr<ModelHost::Lease> ModelHost::probe_loaded() {
  std::lock_guard lock(mutex_);
  const auto last = std::ranges::max_element(
      entries_, {}, [](const auto& one) { return one.second.loaded.in_use > 0 ? Clock::time_point::max() : one.second.last_used; });
  return last == entries_.end() ? nullptr : lend(last->second, true, Clock::now());
}

int ModelHost::limited_context(const store::ModelRecord& record, const AcquireOptions& options) const {
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
  const auto trained = record.context_length == 0 ? kMost : std::min(record.context_length, kMost);
  const int wish = options.context != 0 ? options.context : options_.context;
  return static_cast<int>(wish == 0 ? trained : std::min(static_cast<std::uint64_t>(wish), trained));
}

// Under the lock.
std::unique_ptr<ModelHost::Lease> ModelHost::lend(Entry& entry, bool is_probe, Clock::time_point asked_at) {
  ++entry.loaded.in_use;
  if (!is_probe) entry.loaded.expires_at = std::chrono::system_clock::time_point::max();
  changed_.notify_all();
  const auto waited = Clock::now() - asked_at;
  const auto load = waited < std::chrono::milliseconds(1) ? Clock::duration(0) : waited;
  return std::make_unique<Lease>(*this, entry.loaded, is_probe, std::chrono::duration_cast<std::chrono::nanoseconds>(load).count());
}

Result<std::shared_ptr<ModelHost::Lease>> ModelHost::load(const store::OpenModel& opened, int context, const std::atomic<bool>& cancelled) {
  const auto& record = opened.record;
  std::unique_lock one_load(load_mutex_, std::defer_lock);
  while (!one_load.try_lock_for(std::chrono::milliseconds(50)))
    if (cancelled) return fail(ErrorCode::kCancelled, "The load of " + record.name + " was cancelled.");
  const auto begin = Clock::now();
  auto model = load_with_room(opened, context, cancelled);
  if (!model) return fail(model.error());  // one that was loaded with another context stays
  if (const auto& warning = (*model)->info().warning; !warning.empty()) spdlog::warn("{}", warning);
  spdlog::info("loaded {} in {} ms", record.name, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count());
  Unloaded replaced;  // requests that use the old one keep it until they end
  std::lock_guard lock(mutex_);
  auto& entry = entries_[record.sha256];
  replaced.push_back(std::move(entry.loaded.model));
  const auto keep_alive = replaced.back() ? entry.keep_alive : options_.keep_alive;
  // Where the KV cache does not afford the context, a wish for more will not get more.
  const bool is_most = (*model)->info().context_length < context;
  entry = {.loaded = {.record = record, .model = std::move(*model)},
           .context = is_most ? std::numeric_limits<int>::max() : context,
           .names = std::move(entry.names),
           .keep_alive = keep_alive};
  return std::shared_ptr<Lease>(lend(entry, false, begin));
}

Result<std::shared_ptr<Model>> ModelHost::load_with_room(const store::OpenModel& opened, int context, const std::atomic<bool>& cancelled) {
  std::vector<OpenedFile> files;
  for (const auto& file : opened.files.files()) files.push_back({file.descriptor(), file.name()});
  for (;;) {
    // Whoever waited here for other loads has verified the file a while ago. Its repacked weights are kept under the SHA-256 of then.
    if (!opened.files.unchanged())
      return fail(ErrorCode::kCorrupt, opened.record.file.string() + " was changed after it was verified. Load it again.");
    auto model = engine_.load(files, opened.record.file,
                              {.panel_folder = options_.panel_folder,
                               .digest = opened.record.sha256,
                               .panel_limit = options_.panel_limit,
                               .memory = options_.memory,
                               .max_context = context,
                               .cancelled = &cancelled,
                               .admit = [this](const ModelInfo& info) { return make_room(info); }});
    if (model || model.error().code != ErrorCode::kOverloaded || !unload_longest_idle()) return model;
  }
}

// Called before the weights of a model are read.
Result<void> ModelHost::make_room(const ModelInfo& info) {
  const auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  const auto needs = info.file.filename().string() + " needs " + mib(info.memory_bytes()) + " with a context of " +
                     std::to_string(info.context_length) + " tokens";
  if (info.memory_bytes() > options_.memory)
    return fail(ErrorCode::kNoSpace, needs + ", and the limit is " + mib(options_.memory) +
                                         ". Ask for a smaller context, or raise `memory` in server.yaml." +
                                         (info.unpaged_why.empty() ? "" : " " + info.unpaged_why));
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
  Unloaded unloaded;
  std::lock_guard lock(mutex_);
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second.loaded.in_use > 0) continue;
    if (oldest == entries_.end() || it->second.last_used < oldest->second.last_used) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  spdlog::info("unloaded {} to make room", oldest->second.loaded.record.name);
  unloaded.push_back(std::move(oldest->second.loaded.model));
  entries_.erase(oldest);
  return true;
}

std::string ModelHost::sha256_of(const std::string& name) {
  if (!OpenedFiles::is_reference(name)) {
    const auto record = store_.find(name);
    return record ? record->sha256 : "";
  }
  const auto kept = opened_.find(name);
  if (!kept) return "";
  return kept->checked ? kept->checked->record.sha256 : store_.known_hash(*kept->files).value_or("");
}

bool ModelHost::unload(const std::string& name) {
  const auto sha256 = sha256_of(name);
  Unloaded unloaded;
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(entries_, [&](const auto& one) {
    // The names matter for a file that was never imported, and for a model that was removed while it was loaded.
    const auto& [loaded, context, names, keep_alive, last_used] = one.second;
    return !sha256.empty() ? one.first == sha256 : loaded.record.name == name || loaded.record.file == name || names.contains(name);
  });
  if (found == entries_.end()) return false;
  if (found->second.loaded.in_use > 0) {
    found->second.keep_alive = Duration(0);
  } else {
    spdlog::info("unloaded {}", found->second.loaded.record.name);
    unloaded.push_back(std::move(found->second.loaded.model));
    entries_.erase(found);
  }
  changed_.notify_all();
  return true;
}

void ModelHost::release(const LoadedModel& lent, bool is_probe) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(lent.record.sha256);
  if (found == entries_.end() || found->second.loaded.model != lent.model) return;  // replaced meanwhile
  auto& entry = found->second;
  --entry.loaded.in_use;
  if (!is_probe) entry.last_used = Clock::now();
  if (entry.loaded.in_use > 0) return;
  using Wall = std::chrono::system_clock;
  const auto left = std::chrono::duration_cast<Wall::duration>(entry.last_used + entry.keep_alive - Clock::now());
  entry.loaded.expires_at = entry.keep_alive == kForever ? Wall::time_point::max() : Wall::now() + left;
  changed_.notify_all();
}

void ModelHost::unload_when_due() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    auto next = Clock::time_point::max();
    Unloaded unloaded;
    for (auto it = entries_.begin(); it != entries_.end();) {
      auto& entry = it->second;
      const bool counts = entry.loaded.in_use == 0 && entry.keep_alive != kForever;
      const auto due = counts ? entry.last_used + entry.keep_alive : Clock::time_point::max();
      if (counts && due <= Clock::now()) {
        spdlog::info("unloaded {}, idle", entry.loaded.record.name);
        unloaded.push_back(std::move(entry.loaded.model));
        it = entries_.erase(it);
        continue;
      }
      next = std::min(next, due);
      ++it;
    }
    if (!unloaded.empty()) {
      lock.unlock();
      unloaded.clear();
      lock.lock();
    } else if (next == Clock::time_point::max()) {
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
