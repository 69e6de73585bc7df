// What a service manager wants to be told. Outside of one, these do nothing.
#pragma once

namespace mlxr::platform {

void notify_ready();     // the daemon accepts requests
void notify_stopping();  // the daemon is on its way out

}  // namespace mlxr::platform
