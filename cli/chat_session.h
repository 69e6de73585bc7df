// The interactive chat of `mlx run`.
#pragma once

#include <filesystem>
#include <functional>

#include "cli/failure.h"
#include "cli/generation.h"

namespace mlxr::cli {

struct ChatOptions {
  std::filesystem::path history_file;
  bool verbose = false;
  std::function<void()> after_answer;  // called after each answer that was not interrupted
};

// Runs until Ctrl-D or /bye. If an answer fails, prints the reason and continues.
// Failures: kDaemonUnavailable when the daemon is gone and does not come back.
Status chat(Client& client, Conversation conversation, const ChatOptions& options);

}  // namespace mlxr::cli
