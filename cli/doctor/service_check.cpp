#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/doctor/checks.h"
#include "cli/doctor/tool.h"
#include "platform/files.h"
#include "platform/identity.h"
#include "platform/process.h"

namespace mlxr::cli {
namespace {

namespace fs = std::filesystem;
using platform::is_there;

constexpr char kUnit[] = "mlxrunnerd.service";
constexpr char kStarted[] = "mlx starts the daemon when it is needed";

// What is wrong with the program that a service manager would start; empty when it is this installation's daemon.
Findings check_program(const Installation& one, const fs::path& from, const fs::path& program, const std::string& todo) {
  if (!platform::is_program(program))
    return {bad("service", from.string() + " starts " + program.string() + ", which does not exist", todo)};
  std::error_code failed;
  if (!fs::equivalent(program, one.daemon(), failed))
    return {warning("service", from.string() + " starts " + program.string() + " of another installation", todo)};
  return {};
}

// systemd

// The program of ExecStart= in a unit (systemd.service(5), "Command lines"): without the prefixes, and without quotation marks.
std::string exec_start(const fs::path& unit) {
  constexpr std::uint64_t kLongest = 1 << 20;
  std::istringstream in(platform::read_file(unit, kLongest).value_or(""));
  std::string program;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("ExecStart=")) continue;
    std::string command = line.substr(line.find('=') + 1);
    command.erase(0, command.find_first_not_of(" @-:+!"));
    const bool quoted = command.starts_with('"');
    program = quoted ? command.substr(1, command.find('"', 1) - 1) : command.substr(0, command.find(' '));
  }
  return program;
}

// A name without a slash is looked up by systemd itself, and not in the user's PATH.
fs::path found_by_systemd(const std::string& program) {
  if (program.contains('/')) return program;
  for (const char* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"})
    if (platform::is_program(fs::path(folder) / program)) return fs::path(folder) / program;
  return program;
}

Findings check_systemd(const Installation& one, const platform::Paths& paths) {
  const fs::path own = paths.login_item.parent_path().parent_path();  // $XDG_CONFIG_HOME/systemd/user
  const std::vector<fs::path> folders{own, "/etc/systemd/user", paths.support.parent_path() / "systemd/user", "/usr/local/lib/systemd/user",
                                      "/usr/lib/systemd/user"};
  const auto folder = std::ranges::find_if(folders, [](const fs::path& one_of) { return is_there(one_of / kUnit); });
  const bool enabled = is_there(paths.login_item);
  if (folder == folders.end()) {
    if (!enabled) return {good("service", std::string("no unit is installed; ") + kStarted)};
    return {bad("service", paths.login_item.string() + " starts a unit at login that does not exist",
                "Remove it: systemctl --user disable mlxrunnerd")};
  }
  const fs::path unit = *folder / kUnit;
  const std::string program = exec_start(unit);
  if (program.empty()) return {bad("service", unit.string() + " starts nothing (no ExecStart=)", "Install it again, or remove it")};
  const std::string todo = "Write ExecStart=" + one.daemon().string() + " into it, then systemctl --user daemon-reload; or remove it";
  if (auto wrong = check_program(one, unit, found_by_systemd(program), todo); !wrong.empty()) return wrong;
  const auto active = ask_tool({"systemctl", "--user", "is-active", kUnit});
  const std::string state = active && (active->output == "active" || active->output == "failed") ? ", " + active->output : "";
  if (state == ", failed") return {bad("service", unit.string() + state, "See why: journalctl --user -u mlxrunnerd")};
  if (enabled) return {good("service", unit.string() + state + ", started at login")};
  return {good("service", unit.string() + state + ", not started at login; " + kStarted)};
}

// launchd

// The value in a line "name = value" of the output of launchctl print.
std::string field(const std::string& text, const std::string& name) {
  const std::string begin = "\t" + name + " = ";
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return "";
  return text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
}

// The program that the job starts, as `launchctl print` shows it.
Findings check_job(const Installation& one, const std::string& label, const std::string& printed) {
  const std::string state = field(printed, "state");
  const std::string todo = "launchctl bootout gui/" + std::to_string(getuid()) + "/" + label + ", then start the daemon again";
  // For an app's agent (SMAppService) launchd prints only the path below the bundle: "Contents/Helpers/mlxrunnerd (mode: 2)".
  const std::string in_app = field(printed, "program identifier");
  const fs::path app = one.root.parent_path();
  if (!in_app.empty() && app.extension() != ".app")
    return {
        warning("service", "launchd runs the daemon of another installation, an app", "One is enough: remove the one that you do not use")};
  const fs::path program = in_app.empty() ? fs::path(field(printed, "program")) : app / in_app.substr(0, in_app.find(" (mode"));
  if (auto wrong = check_program(one, "launchd", program, todo); !wrong.empty()) return wrong;
  return {good("service", "launchd has " + label + (state.empty() ? "" : ", " + state) + ", started at login" +
                              (in_app.empty() ? "" : " for the app"))};
}

Findings check_launchd(const Installation& one, const platform::Paths& paths) {
  const std::string domain = "gui/" + std::to_string(getuid());
  std::vector<std::pair<std::string, std::string>> jobs;  // label, what launchctl prints
  for (const std::string label : kLaunchdJobs) {
    if (const auto printed = ask_tool({"launchctl", "print", domain + "/" + label}); printed && printed->status == 0)
      jobs.emplace_back(label, printed->output);
  }
  if (jobs.size() > 1)
    return {warning("service", "launchd has two jobs that start the daemon, " + jobs[0].first + " and " + jobs[1].first,
                    "One is enough; the second to start ends at once. Remove the installation that you do not use, or turn MLXR off in "
                    "System Settings, General, Login Items")};
  if (!jobs.empty()) return check_job(one, jobs[0].first, jobs[0].second);
  for (const fs::path& plist : {paths.login_item, fs::path(kPackageAgent)}) {
    if (!is_there(plist)) continue;
    const auto program = ask_tool({"plutil", "-extract", "ProgramArguments.0", "raw", "-o", "-", plist.string()});
    const std::string todo = "Remove it: rm '" + plist.string() + "'";
    if (program && program->status != 0) return {bad("service", plist.string() + " names no program", todo)};
    if (program)
      if (auto wrong = check_program(one, plist, program->output, todo); !wrong.empty()) return wrong;
    return {warning("service", plist.string() + " exists, and launchd has not loaded it",
                    "Load it: launchctl bootstrap " + domain + " '" + plist.string() + "'")};
  }
  return {good("service", std::string("none is registered; ") + kStarted)};
}

}  // namespace

Findings check_service(const Installation& one, const platform::Paths& paths) {
  if (paths.login_item.empty()) return {good("service", "not checked: a service does not use MLXR_HOME, which is set")};
  return one.layout.is_mac ? check_launchd(one, paths) : check_systemd(one, paths);
}

}  // namespace mlxr::cli
