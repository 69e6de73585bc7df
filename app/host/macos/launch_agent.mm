#include "app/host/macos/launch_agent.h"

#include <string>

#include "app/host/daemon_methods.h"
#include "app/host/macos/appkit.h"
#include "cli/client.h"
#include "cli/daemon_process.h"
#include "platform/identity.h"
#include "platform/process.h"

namespace mlxr::app {
namespace {

constexpr auto kDeadline = std::chrono::seconds(30);

bool is_in_bundle() {
  const auto program = platform::running_program();
  return program && program->string().contains(".app/Contents/MacOS/");
}

std::string sentence(NSError* error) {
  const char* text = error != nil ? error.localizedDescription.UTF8String : nullptr;
  return text != nullptr ? text : "no reason was given";
}

cli::Answered<void> ask_for_approval() {
  [SMAppService openSystemSettingsLoginItems];
  return cli::refused(ErrorCode::kPermission,
                      "macOS does not run MLXR's daemon until you allow it: turn MLXR on in System Settings, General, "
                      "Login Items, then press Start again.");
}

cli::Answered<void> register_agent() {
  SMAppService* agent = [SMAppService agentServiceWithPlistName:[NSString stringWithUTF8String:kAppAgentFile]];
  if (agent.status == SMAppServiceStatusRequiresApproval) return ask_for_approval();
  NSError* error = nil;
  // It is registered but not running: it was stopped, or the app was replaced and launchd has the old description. Only registering it
  // again starts it.
  if (agent.status == SMAppServiceStatusEnabled && ![agent unregisterAndReturnError:&error])
    return cli::unavailable("macOS could not stop the daemon: " + sentence(error));
  if ([agent registerAndReturnError:&error]) return {};
  if (agent.status == SMAppServiceStatusRequiresApproval) return ask_for_approval();
  return cli::unavailable("macOS could not start the daemon: " + sentence(error) +
                          " Move MLXR to Applications and open it there; mlx doctor --install says what else may be wrong.");
}

}  // namespace

cli::Answered<void> start_by_launchd(const platform::Paths& paths, const std::atomic<bool>& cancelled) {
  if (!is_in_bundle()) return start_detached(paths, cancelled);
  if (cli::Client(paths.socket, cancelled).is_alive()) return {};
  @autoreleasepool {
    if (auto done = register_agent(); !done) return done;
  }
  auto ready = cli::await_daemon(paths, kDeadline, cancelled);
  if (ready || ready.error().was_cancelled()) return ready;
  return cli::unavailable(ready.error().message + " Its log: " + (paths.logs / "mlxrunnerd.log").string());
}

}  // namespace mlxr::app
