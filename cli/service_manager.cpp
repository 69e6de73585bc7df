#include "cli/service_manager.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/identity.h"
#include "platform/process.h"

extern char** environ;

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kUnit[] = "mlxrunnerd.service";

struct Answer {
  int status = 127;
  std::string output;
};

// Runs a program to its end. A status other than 0 is not an error, and neither is a missing program (127) or a timeout (124).
Result<Answer> ask(std::vector<std::string> argv, std::chrono::seconds limit, const std::atomic<bool>& cancelled) {
  constexpr auto kPollInterval = std::chrono::milliseconds(10);
  auto child = platform::Child::spawn({.argv = std::move(argv), .environment = {{"LC_ALL", "C"}}});
  if (!child) return Answer{};
  const auto until = std::chrono::steady_clock::now() + limit;
  std::optional<int> status;
  while (!(status = child->poll())) {
    if (cancelled) return fail(ErrorCode::kCancelled, "");
    if (std::chrono::steady_clock::now() > until) return Answer{124, "It took too long."};
    std::this_thread::sleep_for(kPollInterval);
  }
  return Answer{*status, child->output()};
}

bool is_same_program(const fs::path& one, const fs::path& other) {
  std::error_code failed;
  return fs::equivalent(one, other, failed);
}

// The variables that determine which files a daemon reads and writes. With MLXR_HOME no service is used.
bool concerns_the_daemon(std::string_view name) {
  return name.starts_with("MLXR_") || name == "XDG_DATA_HOME" || name == "XDG_CONFIG_HOME" || name == "XDG_CACHE_HOME" ||
         name == "XDG_STATE_HOME" || name == "HOME";
}

// Reads them from "NAME=VALUE" lines. Empty values count as unset.
std::map<std::string, std::string> variables_of(std::string_view lines) {
  std::map<std::string, std::string> found;
  std::istringstream in{std::string(lines)};
  for (std::string line; std::getline(in, line);) {
    const auto equals = line.find('=');
    if (equals != std::string::npos && equals + 1 < line.size() && concerns_the_daemon(line.substr(0, equals)))
      found[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return found;
}

std::map<std::string, std::string> own_variables() {
  std::string lines;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).contains('\n')) lines += std::string(*entry) + "\n";
  return variables_of(lines);
}

std::string without_trailing_space(std::string text) {
  text.erase(text.find_last_not_of(" \n\r\t") + 1);
  return text;
}

// "LoadState=loaded\nExecStart={ path=/usr/bin/mlxrunnerd ; argv[]=/usr/bin/mlxrunnerd ; …" -> "/usr/bin/mlxrunnerd"; empty when the unit
// is not installed.
fs::path program_of_unit(const std::string& properties) {
  constexpr std::string_view kPath = "ExecStart={ path=";
  const auto at = properties.find(kPath);
  if (!properties.contains("LoadState=loaded") || at == std::string::npos) return {};
  const auto begin = at + kPath.size();
  return properties.substr(begin, properties.find(" ;", begin) - begin);
}

// The line "\tNAME = VALUE" of what `launchctl print` says.
std::string field_of(const std::string& text, const std::string& name) {
  const std::string begin = "\t" + name + " = ";
  const auto at = text.find(begin);
  return at == std::string::npos ? "" : text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
}

// The program of a launchd job, from what `launchctl print` says of it. Of an app's job that is a path below the app's bundle; the app is
// the one that `program` is in.
fs::path program_of_job(const std::string& printed, const fs::path& program) {
  const std::string in_app = field_of(printed, "program identifier");
  if (in_app.empty()) return field_of(printed, "program");
  return program.parent_path().parent_path().parent_path() / in_app.substr(0, in_app.find(" (mode"));
}

}  // namespace

Result<Started> start_by_systemd(const fs::path& program, std::chrono::seconds limit, const std::atomic<bool>& cancelled) {
  constexpr std::chrono::seconds kShort(5);  // for a query
  const auto unit = ask({"systemctl", "--user", "show", "--property=LoadState,ExecStart", kUnit}, kShort, cancelled);
  if (!unit) return fail(unit.error());
  if (unit->status != 0 || !is_same_program(program_of_unit(unit->output), program)) return Started::kNotAService;
  const auto environment = ask({"systemctl", "--user", "show-environment"}, kShort, cancelled);
  if (!environment) return fail(environment.error());
  if (environment->status != 0 || variables_of(environment->output) != own_variables()) return Started::kNotAService;

  const auto started = ask({"systemctl", "--user", "start", kUnit}, limit, cancelled);
  if (!started) return fail(started.error());
  if (started->status == 0) return Started::kByService;
  return fail(ErrorCode::kIo, "systemd could not start " + std::string(kUnit) + ": " + without_trailing_space(started->output) +
                                  "\nSee why: journalctl --user -u mlxrunnerd");
}

Result<Started> start_by_launchd(const platform::Paths& paths, const fs::path& program, std::chrono::seconds limit,
                                 const std::atomic<bool>& cancelled) {
  const bool has_own_settings = std::ranges::any_of(own_variables(), [](const auto& one) { return one.first.starts_with("MLXR_"); });
  if (has_own_settings) return Started::kNotAService;
  const std::string domain = "gui/" + std::to_string(::getuid());
  // The job that starts this program; empty when launchd has none.
  const auto find_job = [&]() -> Result<std::string> {
    for (const std::string label : kLaunchdJobs) {
      const auto job = ask({"launchctl", "print", domain + "/" + label}, limit, cancelled);
      if (!job) return fail(job.error());
      if (job->status == 0 && is_same_program(program_of_job(job->output, program), program)) return domain + "/" + label;
    }
    return std::string();
  };
  auto job = find_job();
  if (!job) return fail(job.error());
  for (const fs::path& agent : {paths.login_item, fs::path(kPackageAgent)}) {
    std::error_code failed;
    if (!job->empty() || !fs::exists(agent, failed)) continue;
    // Installed since the login, or taken out by `launchctl bootout`.
    if (const auto loaded = ask({"launchctl", "bootstrap", domain, agent.string()}, limit, cancelled); !loaded) return fail(loaded.error());
    job = find_job();
    if (!job) return fail(job.error());
  }
  if (job->empty()) return Started::kNotAService;
  const auto started = ask({"launchctl", "kickstart", *job}, limit, cancelled);
  if (!started) return fail(started.error());
  if (started->status == 0) return Started::kByService;
  return fail(ErrorCode::kIo,
              "launchd could not start " + *job + ": " + without_trailing_space(started->output) + "\nSee why: launchctl print " + *job);
}

Result<Started> start_service(const platform::Paths& paths, const fs::path& program, std::chrono::seconds limit,
                              const std::atomic<bool>& cancelled) {
  if (paths.login_item.empty()) return Started::kNotAService;  // MLXR_HOME is set, which services do not use
#ifdef __APPLE__
  return start_by_launchd(paths, program, limit, cancelled);
#else
  return start_by_systemd(program, limit, cancelled);
#endif
}

}  // namespace mlxr::cli
