#include "store/names.h"

#include <algorithm>

#include "core/formats/shards.h"

namespace mlxr::store {

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' && std::all_of(name.begin(), name.end(), plain);
}

Result<void> check_model_name(std::string_view name) {
  const auto colon = name.find(':');
  if (!name.starts_with('-') && is_plain_name(name.substr(0, colon)) &&
      (colon == std::string_view::npos || is_plain_name(name.substr(colon + 1))))
    return {};
  return fail(ErrorCode::kInvalidArgument,
              "'" + std::string(name) +
                  "' cannot be a model's name. Use letters, digits and ._-+ with one colon at most, and a letter or digit first, for "
                  "example smollm2:135m.");
}

std::string folder_name(std::string_view model) {
  std::string out(model);
  std::replace(out.begin(), out.end(), ':', '@');
  return out;
}

std::string model_of_folder(std::string_view folder) {
  std::string out(folder);
  std::replace(out.begin(), out.end(), '@', ':');
  return out;
}

std::string name_of_file(const std::filesystem::path& file) {
  const auto shard = formats::ShardName::parse(file.filename().string());
  std::string name = shard ? shard->stem : file.stem().string();
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]), next = static_cast<unsigned char>(i + 1 < name.size() ? name[i + 1] : 0);
    const bool is_c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;  // U+0080 to U+009F
    if (is_c1) name.erase(i, 1);
    if (is_c1 || byte < 0x20 || byte == 0x7f) name[i] = '?';
  }
  return name;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_address(std::string_view text) { return text.starts_with("https://") || text.starts_with("http://"); }

}  // namespace mlxr::store
