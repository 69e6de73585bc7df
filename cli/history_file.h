// The chat's history on disk, shared by all chats of this user.
#pragma once

#include <filesystem>
#include <string>

namespace mlxr::cli {

constexpr int kHistoryLength = 1000;  // entries

// Adds one entry to the file (0600) without losing entries that another chat has added. A failure is ignored: the chat continues.
void add_to_history_file(const std::filesystem::path& file, const std::string& entry);

}  // namespace mlxr::cli
