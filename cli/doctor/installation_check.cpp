#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/daemon_process.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/examine.h"
#include "cli/doctor/folders.h"
#include "platform/process.h"
#include "platform/version.h"

namespace mlxr::cli {
namespace {

Finding describe(const Installation& one) {
  const std::string text = one.root.string() + " is " + std::string(one.layout.kind) + "; mlx " + kVersion;
  // macOS runs an app that is still where it was downloaded from a random, read-only path (translocation).
  if (one.root.string().contains("/AppTranslocation/"))
    return bad("installation", text + ", in a temporary place that macOS chose",
               "Move MLXR.app to Applications in the Finder, and open it there");
  if (one.layout.is_mac && one.root.string().starts_with("/Volumes/"))
    return warning("installation", text + ", on a disk image", "Drag MLXR from the image to Applications");
  return good("installation", text);
}

void append(Findings& all, Findings more) {
  for (auto& finding : more) all.push_back(std::move(finding));
}

}  // namespace

Findings check_daemon_in_use(const Installation& one, const platform::Paths& paths) {
  const auto status = Client(paths.socket).get("/mlxr/status");
  if (!status) {
    if (status.error().kind == ClientError::Kind::kNotRunning) return {good("running daemon", "none; it starts when it is needed")};
    return {bad("running daemon", status.error().message, "Restart it: mlx stop")};
  }
  const std::string version = status->value("version", "unknown");
  std::error_code failed;
  // /proc is Linux's; on a Mac launchd says where the program is.
  const auto program = std::filesystem::read_symlink("/proc/" + std::to_string(status->value("pid", 0)) + "/exe", failed).string();
  const std::string text = "version " + version + (program.empty() ? "" : ", " + program);
  if (version != kVersion) return {warning("running daemon", text + "; mlx is " + kVersion, "Restart it: mlx stop")};
  if (program.ends_with(" (deleted)")) return {warning("running daemon", text, "Its program was replaced. Restart it: mlx stop")};
  if (!program.empty() && program != one.daemon().string())
    return {warning("running daemon", text + ", is not this installation's", "Stop it: mlx stop")};
  return {good("running daemon", text)};
}

Findings examine_installation() {
  const auto program = platform::running_program();
  if (!program) return {bad("installation", program.error().message, "")};
  const Installation one = installation_of(*program);
  Findings findings{describe(one)};
  append(findings, check_parts(one));
  append(findings, check_signatures(one));
  append(findings, check_copies(one));
  const auto paths = client_paths();
  if (!paths) {
    findings.push_back(bad("folders", paths.error().message, "Set HOME or MLXR_HOME to a folder that you can write to"));
    return findings;
  }
  append(findings, check_settings(*paths));
  append(findings, check_service(one, *paths));
  append(findings, check_daemon_in_use(one, *paths));
  findings.push_back(check_socket(paths->socket));
  append(findings, check_data(*paths));
  findings.push_back(check_space(paths->models));
  return findings;
}

}  // namespace mlxr::cli
