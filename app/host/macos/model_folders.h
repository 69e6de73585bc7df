// Folders with models that the user chose. The choice, in the system's own panel, is what lets the sandboxed app read there; a
// security-scoped bookmark keeps that permission until the user removes the folder from the list.
#pragma once

#include "app/host/bridge.h"

namespace mlxr::app {

// Gets back the permissions that earlier runs kept. Call once, before the methods are used.
void restore_model_folders();

// For the page:
//   folders.list              [{path, files: [{path, size}]}], or {path, problem} for a folder that cannot be read now
//   folders.add               asks the user for a folder; the list as it is then
//   folders.remove {path}     the list as it is then
Methods model_folder_methods();

}  // namespace mlxr::app
