// Models in memory: loaded on first use, shared by requests, unloaded when idle.
//
//   auto lease = host.acquire("smollm2:135m", {.client = &out});   // waits while the file is verified and the model loads
//   auto reply = host.engine().submit((*lease)->model(), ...);
//   // the lease's end starts the model's keep_alive
//
// May be used from any thread. Requests for a model that is being verified or loaded share that work.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <mlxrunner/engine.h>

#include "daemon/duration.h"
#include "daemon/models/opened_files.h"
#include "daemon/models/single_flight.h"
#include "store/store.h"

namespace mlxr::daemon {

struct AcquireOptions {
  std::optional<Duration> keep_alive;  // absent: as it is, for a new model the host's default
  // Tokens; 0: the configured context. Limited to what the model was trained for and to what `kv` affords. A model that is loaded with a
  // larger context serves smaller ones; a larger one loads it again.
  int context = 0;
  bool allow_paths = false;     // the name may be the absolute path of a file, or the reference of an opened one
  bool is_probe = false;        // does not count as a use: keep_alive goes on as if nobody had asked
  Responder* client = nullptr;  // when it goes away, acquire returns kCancelled, and work that nobody else waits for is given up
};

struct HostOptions {
  Duration keep_alive{};               // of a model for which no request named one
  int context = 0;                     // tokens; 0: what the model was trained for
  std::uint64_t memory = 0;            // bytes of all models together (ModelInfo::memory_bytes)
  std::filesystem::path panel_folder;  // where repacked weights are kept, and how many bytes of them (LoadOptions)
  std::uint64_t panel_limit = 0;
};

struct LoadedModel {
  store::ModelRecord record;
  std::shared_ptr<Model> model;
  std::chrono::system_clock::time_point expires_at;  // max(): never
  int in_use = 0;
};

class ModelHost {
 public:
  // `engine` and `store` outlive the host.
  ModelHost(Engine& engine, store::Store& store, const HostOptions& options);
  ~ModelHost();

  // A model in use. The last one's end starts the keep_alive.
  class Lease {
   public:
    Lease(ModelHost& host, LoadedModel loaded, bool is_probe, std::int64_t load_ns);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    const std::shared_ptr<Model>& model() const { return loaded_.model; }
    const store::ModelRecord& record() const { return loaded_.record; }
    std::int64_t load_ns() const { return load_ns_; }  // how long this caller waited for the model

   private:
    ModelHost& host_;
    const LoadedModel loaded_;
    const bool is_probe_;
    const std::int64_t load_ns_;
  };

  // `name` is an installed model, or, where `allow_paths` says so, an absolute path or the reference of an opened file.
  // Errors: those of open_model and Engine::load; kCancelled (the client went away, or stop_loading() was called).
  // When memory does not suffice, idle models are unloaded, the longest unused first; kOverloaded when the others are in use,
  // kNoSpace (with both numbers) when the model alone is larger than the limit.
  Result<std::unique_ptr<Lease>> acquire(const std::string& name, const AcquireOptions& options);
  // The model that a name means, verified and open; loads nothing. Of `options` only allow_paths and client count.
  // Errors: those of ModelRef::parse, OpenedFiles::find and Store::open_model; kCancelled.
  using Checked = std::shared_ptr<const store::OpenModel>;  // shared by the requests that waited for the check
  Result<Checked> open_model(const std::string& name, const AcquireOptions& options);
  // The model that was used last, as a probe. Null when none is loaded.
  std::unique_ptr<Lease> probe_loaded();
  // Unloads when the last lease ends, or now. `name` is a name of the model, a path that it was acquired by, or the reference of an opened
  // file. False when it was not loaded.
  bool unload(const std::string& name);
  // Gives up the checks and loads that are going on, and refuses further ones with kCancelled: the daemon stops.
  void stop_loading();

  std::vector<LoadedModel> loaded() const;
  // Models whose files clients opened and handed over. Those that nobody uses are closed by close_unused_files(), which is to be called now
  // and then.
  OpenedFiles& opened() { return opened_; }
  void close_unused_files();
  Engine& engine() { return engine_; }
  store::Store& store() { return store_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    LoadedModel loaded;
    int context = 0;              // that was asked for, limited to the model's
    std::set<std::string> names;  // by which it was acquired
    Duration keep_alive{};
    Clock::time_point last_used;  // when the last lease ended that was no probe
  };
  using Entries = std::map<std::string, Entry>;  // by the SHA-256 of the file: its names and its paths share one
  // Models that go: the last pointer to one may wait for its disk, so they are destroyed after the lock.
  using Unloaded = std::vector<std::shared_ptr<Model>>;
  int limited_context(const store::ModelRecord& record, const AcquireOptions& options) const;
  std::unique_ptr<Lease> lend(Entry& entry, bool is_probe, Clock::time_point asked_at);
  Result<std::shared_ptr<Lease>> load(const store::OpenModel& opened, int context, const std::atomic<bool>& cancelled);
  Result<std::shared_ptr<Model>> load_with_room(const store::OpenModel& opened, int context, const std::atomic<bool>& cancelled);
  Result<void> make_room(const ModelInfo& info);
  bool unload_longest_idle();
  std::string sha256_of(const std::string& name);  // empty: neither installed nor known
  std::uint64_t memory_in_use() const;
  void release(const LoadedModel& lent, bool is_probe);
  void unload_when_due();

  Engine& engine_;
  store::Store& store_;
  const HostOptions options_;

  OpenedFiles opened_;
  SingleFlight<Checked> checks_;                // by name, path or reference: the file is opened and hashed
  SingleFlight<std::shared_ptr<Lease>> loads_;  // by the SHA-256 of the file
  std::timed_mutex load_mutex_;                 // one load at a time, so that two do not take the same room; before mutex_
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // an entry was loaded, removed, or released
  Entries entries_;
  bool stop_ = false;
  std::thread unloader_;
};

}  // namespace mlxr::daemon
