// A conversation in a file: /save and /load of the chat.
#pragma once

#include <filesystem>

#include <mlxrunner/result.h>

#include "cli/generation.h"

namespace mlxr::cli {

// Writes messages, parameters and the model's name as JSON, readable only for this user. Replaces a saved conversation, but no other file.
// Errors: kAlreadyExists (the file is something else), kPermission, kNoSpace, kIo.
Result<void> save_conversation(const Conversation& conversation, const std::filesystem::path& file);

// Errors: kNotFound, kCorrupt (not a saved conversation), kPermission, kIo.
Result<Conversation> load_conversation(const std::filesystem::path& file);

}  // namespace mlxr::cli
