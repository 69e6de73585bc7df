// Tells systemd the daemon's state (sd_notify). Does nothing when systemd did not start this process.
#pragma once

namespace mlxr::platform {

void notify_ready();     // the daemon accepts requests
void notify_stopping();  // the daemon is stopping

}  // namespace mlxr::platform
