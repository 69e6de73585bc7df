// Handing a model to the daemon. A path is of no use to a daemon that may not read the file's folder: one in macOS's sandbox, or in a
// service's own view of the disk. So the client opens the file, or the files of a model folder, and sends the descriptors over the daemon's
// socket (POST /mlxr/open, docs/api.md); what the daemon verifies and loads are those very files.
//
//   const auto model = hand_over(client, "/home/me/models/model.gguf");    // "open@4b1f...": `model` in requests to the same daemon
//
// The daemon closes files that are not used, and forgets all when it ends: hand the model over again before each request. The same files
// keep their reference as long as the daemon has them open.
#pragma once

#include <filesystem>
#include <string>

#include "cli/client.h"

namespace mlxr::cli {

// What the daemon calls the model at `path`, a file or a model folder. From a daemon that does not know the route this is the path, which
// it opens by itself. Errors: those of store::open_model_at and of Client; what is wrong with a file's content shows when it is used.
Answered<std::string> hand_over(Client& client, const std::filesystem::path& path);

}  // namespace mlxr::cli
