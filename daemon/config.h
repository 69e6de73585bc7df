// The daemon's settings, read from server.yaml. daemon/server.yaml documents them; without a file, the defaults here apply.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "daemon/managed.h"

namespace mlxr::daemon {

struct Config {
  int port = 0;                      // TCP port; 0: no TCP
  std::string host = "127.0.0.1";    // a loopback address
  std::vector<std::string> origins;  // web origins that may use TCP (origins.h)
  std::filesystem::path uds;         // the Unix socket; empty: platform::Paths::socket
  int max_batch_tokens = 512;
  int target_latency_ms = 0;
  int max_queue = 512;
  int threads = 0;
  std::string kernels = "auto";
  std::uint64_t kv = 0;               // bytes; 0: one eighth of the memory
  std::string kv_type = "f16";        // or "q8_0"
  std::uint64_t memory = 0;           // bytes of all models in memory; 0: the machine's memory
  std::uint64_t cache = 20ull << 30;  // bytes of repacked weights on disk; 0: none
  int context = 0;                    // tokens; 0: what the model was trained for
  std::string keep_alive = "5m";      // how long an idle model stays in memory (see parse_duration)

  struct Given {
    std::string name, value;
    std::string origin;  // the file, or the source of managed settings
    bool managed = false;
  };
  std::vector<Given> given;  // the settings that are not defaults, each once
  bool is_managed(std::string_view name) const;
};

// The settings' names, in the order of server.yaml.
std::vector<std::string_view> setting_names();

// A missing file means the defaults.
// Errors: kInvalidArgument ("server.yaml:3: ..." for an unknown key, a wrong type, a value out of its range, or YAML that cannot be
// read), kIo.
Result<Config> read_config(const std::filesystem::path& file);
Result<Config> parse_config(std::string_view text, std::string_view file_name);

// `config` overridden by the managed settings. Errors: as read_config.
Result<Config> managed_config(Config config, const ManagedSettings& managed);

// Effective settings: server.yaml, overridden by managed settings. Errors: those of read_config and managed_settings.
Result<Config> effective_config(const std::filesystem::path& file);

// The settings as YAML, each with its source as a comment.
std::string describe(const Config& config);

}  // namespace mlxr::daemon
