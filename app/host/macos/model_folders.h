// Folders with models that the user chose. Choosing one in the system's open panel gives the sandboxed app permission to read it; a
// security-scoped bookmark keeps that permission until the user removes the folder from the list.
#pragma once

#include "app/host/bridge.h"

namespace mlxr::app {

// Restores the permissions from earlier runs. Call this once, before the methods are used.
void restore_model_folders();

// For the page:
//   folders.list              [{path, files: [{path, size}]}], or {path, problem} for a folder that cannot be read
//   folders.add               asks the user for a folder; the new list
//   folders.remove {path}     the new list
Methods model_folder_methods();

}  // namespace mlxr::app
