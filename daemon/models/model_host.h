// Models in memory: loaded on first use, shared by requests, unloaded when idle.
//
//   auto lease = host.acquire("smollm2:135m", {});          // waits while the model loads
//   auto reply = host.engine().submit((*lease)->model(), ...);
//   // the lease's end starts the model's keep_alive
//
// May be used from any thread. Several requests for a model that is loading wait for the one load.
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
#include "store/store.h"

namespace mlxr::daemon {

struct AcquireOptions {
  std::optional<Duration> keep_alive;  // absent: the host's default
  int context = 0;                     // tokens; 0: the configured context. One that is loaded with another is loaded again
  bool allow_paths = false;            // the name may be the absolute path of a file
};

struct HostOptions {
  Duration keep_alive{};               // of a request that names none
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
    Lease(ModelHost& host, LoadedModel loaded, std::int64_t load_ns);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    const std::shared_ptr<Model>& model() const { return loaded_.model; }
    const store::ModelRecord& record() const { return loaded_.record; }
    std::int64_t load_ns() const { return load_ns_; }  // how long this caller waited for the model

   private:
    ModelHost& host_;
    const LoadedModel loaded_;
    const std::int64_t load_ns_;
  };

  // Errors: those of Store::resolve and Engine::load; kInvalidArgument (a path where none is allowed).
  // When memory does not suffice, idle models are unloaded, the longest unused first; kOverloaded when the others are in use,
  // kNoSpace (with both numbers) when the model alone is larger than the limit.
  Result<std::unique_ptr<Lease>> acquire(const std::string& name, const AcquireOptions& options);
  // Unloads when the last lease ends, or now. False when it was not loaded.
  bool unload(const std::string& name);

  std::vector<LoadedModel> loaded() const;
  Engine& engine() { return engine_; }
  store::Store& store() { return store_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    LoadedModel loaded;
    int context = 0;  // that was asked for
    Duration keep_alive{};
    Clock::time_point last_used;  // when the last lease ended
  };

  Result<std::shared_ptr<Model>> load_with_room(const store::ModelRecord& record, int context);
  Result<void> make_room(const ModelInfo& info);
  bool unload_longest_idle();
  std::uint64_t memory_in_use() const;
  void release(const LoadedModel& lent);
  void unload_when_due();

  Engine& engine_;
  store::Store& store_;
  const HostOptions options_;

  std::mutex load_mutex_;  // one load at a time, so that two do not take the same room; before mutex_
  mutable std::mutex mutex_;
  std::condition_variable changed_;       // an entry was loaded, removed, or released
  std::map<std::string, Entry> entries_;  // by the SHA-256 of the file: its names and its paths share one
  std::set<std::string> loading_;         // the same keys, of which each loads once at a time
  bool stop_ = false;
  std::thread unloader_;
};

}  // namespace mlxr::daemon
