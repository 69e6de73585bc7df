// Checks names before they are used as file names.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::store {

// One component of a path: letters, digits and ._-+ only, not starting with a dot, at most 128 bytes.
bool is_plain_name(std::string_view name);
// "smollm2:135m": plain names, one colon at most, not starting with '-', which would be an option of every command.
Result<void> check_model_name(std::string_view name);
// The folder of a model below its publisher: "smollm2@135m". Unique, because names cannot contain '@'.
std::string folder_name(std::string_view model);
// The name of the model in such a folder.
std::string model_of_folder(std::string_view folder);
// The name of a file that was not imported: its stem, without the number of a shard, and with control characters replaced by '?', because
// they could control a terminal.
std::string name_of_file(const std::filesystem::path& file);
// The parts between separators, one more than there are separators: an empty text has one empty part.
std::vector<std::string> split(std::string_view text, char separator);
// True for "http://" and "https://".
bool is_address(std::string_view text);

}  // namespace mlxr::store
