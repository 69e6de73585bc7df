#include "daemon/config.h"

#include <mlxrunner/engine.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <sstream>
#include <vector>

#include "daemon/duration.h"
#include "daemon/origins.h"
#include "platform/files.h"

namespace mlxr::daemon {
namespace {

struct Setting {
  std::string_view name;
  std::string_view expects;  // what a good value is, for the error
  std::function<bool(Config&, const YAML::Node&)> set;
};

// Reads a plain scalar as a T in [low, high].
template <typename T>
auto number(T Config::* member, T low, T high) {
  return [=](Config& config, const YAML::Node& node) {
    T value{};
    if (!YAML::convert<T>::decode(node, value) || value < low || value > high) return false;
    config.*member = value;
    return true;
  };
}

// "a, b" or a list. Each must be an origin.
bool read_origins(Config& config, const YAML::Node& node) {
  config.origins.clear();
  const auto add = [&](const std::string& text) {
    if (is_origin_pattern(text)) config.origins.push_back(text);
    return is_origin_pattern(text);
  };
  if (node.IsSequence()) return std::ranges::all_of(node, [&](const YAML::Node& one) { return one.IsScalar() && add(one.Scalar()); });
  std::string text = node.Scalar();
  std::ranges::replace(text, ',', ' ');
  std::istringstream in(text);
  for (std::string one; in >> one;)
    if (!add(one)) return false;
  return true;
}

// A setting's value as text: a list is joined with ", ".
std::string text_of(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  std::string text;
  for (const auto& one : node) text += (text.empty() ? "" : ", ") + one.Scalar();
  return text;
}

// "512", "64K", "2G", "1.5GiB" into bytes.
bool parse_bytes(const std::string& text, std::uint64_t& bytes) {
  std::istringstream in(text);
  double value = 0;
  std::string unit;
  if (!(in >> value) || value < 0) return false;
  in >> unit;
  if (std::string more; in >> more) return false;
  static constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    const auto at = kUnits.find(unit[0]);
    const auto rest = unit.substr(1);
    if (at == std::string_view::npos || !(rest.empty() || rest == "iB" || rest == "B")) return false;
    for (std::size_t i = 0; i <= at; ++i) factor *= 1024;
  }
  if (value * factor > 1e18) return false;
  bytes = static_cast<std::uint64_t>(value * factor);
  return true;
}

const std::vector<Setting>& settings() {
  constexpr int kMost = std::numeric_limits<int>::max();
  static const std::vector<Setting> all = {
      {"port", "a number from 0 (no TCP) to 65535", number(&Config::port, 0, 65535)},
      {"host", "a loopback address, 127.0.0.1 or ::1 (MLXR does not listen on other addresses)",
       [](Config& config, const YAML::Node& node) {
         config.host = node.Scalar() == "localhost" ? "127.0.0.1" : node.Scalar();
         return config.host == "127.0.0.1" || config.host == "::1";
       }},
      {"origins", "web origins, such as http://localhost:3000, app://obsidian.md or vscode-webview://*", read_origins},
      {"uds", "an absolute path for the Unix socket",
       [](Config& config, const YAML::Node& node) {
         config.uds = node.Scalar();
         return config.uds.is_absolute();
       }},
      {"max_batch_tokens", "a number from 1 to 8192", number(&Config::max_batch_tokens, 1, 8192)},
      {"target_latency_ms", "a number from 0 (no target) to 60000", number(&Config::target_latency_ms, 0, 60000)},
      {"max_queue", "a number from 1 to 4096", number(&Config::max_queue, 1, 4096)},
      {"threads", "a number from 0 (one per core) to 1024", number(&Config::threads, 0, 1024)},
      {"kernels", "auto, mlx, metal, amx, avx512, avx2, neon or scalar",
       [](Config& config, const YAML::Node& node) {
         config.kernels = node.Scalar();
         return std::ranges::find(kKernelNames, config.kernels) != kKernelNames.end();
       }},
      {"kv", "a size such as 2G or 512M (0: one eighth of the memory)",
       [](Config& config, const YAML::Node& node) { return parse_bytes(node.Scalar(), config.kv); }},
      {"kv_type", "f16 or q8_0",
       [](Config& config, const YAML::Node& node) {
         config.kv_type = node.Scalar();
         return config.kv_type == "f16" || config.kv_type == "q8_0";
       }},
      {"memory", "a size such as 8G (0: the machine's memory)",
       [](Config& config, const YAML::Node& node) { return parse_bytes(node.Scalar(), config.memory); }},
      {"cache", "a size such as 20G (0: nothing is kept)",
       [](Config& config, const YAML::Node& node) { return parse_bytes(node.Scalar(), config.cache); }},
      {"context", "a number of tokens from 0 (what the model was trained for)", number(&Config::context, 0, kMost)},
      {"keep_alive", "a duration such as 5m, 1h30m, 0 (unload at once) or -1 (never unload)",
       [](Config& config, const YAML::Node& node) {
         config.keep_alive = node.Scalar();
         return parse_duration(config.keep_alive).has_value();
       }},
  };
  return all;
}

std::string known_names() {
  std::string names;
  for (const auto& setting : settings()) names += (names.empty() ? "" : ", ") + std::string(setting.name);
  return names;
}

// Applies the settings in `root` to a config that may already have others.
Result<Config> read_settings(const YAML::Node& root, std::string_view file_name, Config config, bool managed) {
  const auto at = [&](const YAML::Node& node) { return std::string(file_name) + ":" + std::to_string(node.Mark().line + 1) + ": "; };
  if (root.IsNull()) return config;
  if (!root.IsMap()) return fail(ErrorCode::kInvalidArgument, at(root) + "expected `name: value` lines.");
  std::vector<std::string> seen;
  for (const auto& pair : root) {
    const auto name = pair.first.IsScalar() ? pair.first.Scalar() : std::string("(not a name)");
    const auto setting = std::ranges::find(settings(), name, &Setting::name);
    if (setting == settings().end())
      return fail(ErrorCode::kInvalidArgument,
                  at(pair.first) + "there is no setting `" + name + "`. The settings are: " + known_names() + ".");
    if (std::ranges::find(seen, name) != seen.end())
      return fail(ErrorCode::kInvalidArgument, at(pair.first) + "`" + name + "` is set twice.");
    seen.push_back(name);
    const bool has_shape = pair.second.IsScalar() || (name == "origins" && pair.second.IsSequence());
    if (!has_shape || !setting->set(config, pair.second))
      return fail(ErrorCode::kInvalidArgument, at(pair.first) + "`" + name + "` must be " + std::string(setting->expects) +
                                                   (pair.second.IsScalar() ? ", not `" + pair.second.Scalar() + "`." : "."));
    std::erase_if(config.given, [&](const Config::Given& one) { return one.name == name; });
    config.given.push_back({name, text_of(pair.second), std::string(file_name), managed});
  }
  return config;
}

Result<Config> parse_over(Config config, std::string_view text, std::string_view file_name, bool managed) {
  try {
    return read_settings(YAML::Load(std::string(text)), file_name, std::move(config), managed);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalidArgument, std::string(file_name) + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg + ".");
  }
}

}  // namespace

bool Config::is_managed(std::string_view name) const {
  return std::ranges::any_of(given, [&](const Given& one) { return one.managed && one.name == name; });
}

std::vector<std::string_view> setting_names() {
  std::vector<std::string_view> names;
  for (const auto& setting : settings()) names.push_back(setting.name);
  return names;
}

Result<Config> parse_config(std::string_view text, std::string_view file_name) { return parse_over({}, text, file_name, false); }

Result<Config> managed_config(Config config, const ManagedSettings& managed) {
  return parse_over(std::move(config), managed.text, managed.origin, true);
}

Result<Config> effective_config(const std::filesystem::path& file) {
  const auto managed = managed_settings(setting_names());
  if (!managed) return fail(managed.error());
  auto config = read_config(file);
  return config && *managed ? managed_config(std::move(*config), **managed) : config;
}

std::string describe(const Config& config) {
  std::string text;
  for (const auto name : setting_names()) {
    const auto given = std::ranges::find(config.given, name, &Config::Given::name);
    if (given == config.given.end()) {
      text += "# " + std::string(name) + ": the default\n";
    } else {
      text += std::string(name) + ": " + YAML::Dump(YAML::Node(given->value)) + "  # " + given->origin +
              (given->managed ? ", managed\n" : "\n");
    }
  }
  return text;
}

Result<Config> read_config(const std::filesystem::path& file) {
  constexpr std::uint64_t kLongest = 1 << 20;
  const auto text = platform::read_file(file, kLongest);
  if (text) return parse_config(*text, file.string());
  if (text.error().code == ErrorCode::kNotFound) return Config{};
  return fail(text.error());
}

}  // namespace mlxr::daemon
