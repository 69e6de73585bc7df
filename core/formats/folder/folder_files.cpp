#include "core/formats/folder/folder_files.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{256} << 20;  // the longest tokenizer.json in use has 35 MiB

constexpr std::string_view kWeights = "model.safetensors", kIndex = "model.safetensors.index.json";

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos;
}

}  // namespace

Result<FolderFiles> FolderFiles::open(const fs::path& folder) {
  std::error_code ec;
  auto real = fs::canonical(folder, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot open " + folder.string()));
  return FolderFiles(folder, std::move(real));
}

bool FolderFiles::has(std::string_view name) const { return platform::is_there(path_ / name); }

bool FolderFiles::may_lead_to(const fs::path& file) const {
  if (file.parent_path() == real_) return true;
  const auto snapshots = real_.parent_path();
  return snapshots.filename() == "snapshots" && file.parent_path() == snapshots.parent_path() / "blobs";
}

Result<platform::OpenFile> FolderFiles::open_file(std::string_view name) const {
  if (!is_plain_name(name)) return damaged(path_.string(), "it names the file " + printable(name) + ", which is not a file of the folder");
  std::error_code ec;
  const auto file = fs::canonical(real_ / name, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot open " + (path_ / name).string()));
  if (!may_lead_to(file)) {
    return fail(ErrorCode::kCorrupt, (path_ / name).string() + " is a link that leads out of the folder, to " + printable(file.string()) +
                                         ". Put the file itself into the folder.");
  }
  return platform::OpenFile::open(file);
}

Result<std::optional<std::string>> FolderFiles::read_text(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  const auto file = open_file(name);
  if (!file) return fail(file.error());
  if (file->size() > kMaxTextBytes)
    return damaged((path_ / name).string(),
                   "it has " + std::to_string(file->size()) + " bytes; the limit is " + std::to_string(kMaxTextBytes));
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  if (auto done = file->read(0, std::as_writable_bytes(std::span(text))); !done) return fail(done.error());
  return text;
}

Result<std::optional<Json>> FolderFiles::read_json(std::string_view name) const {
  const auto text = read_text(name);
  if (!text) return fail(text.error());
  if (!*text) return std::nullopt;
  auto json = parse_json(**text, (path_ / name).string());
  if (!json) return fail(json.error());
  return *std::move(json);
}

Result<std::vector<std::string>> FolderFiles::weight_files() const {
  if (has(kWeights)) return std::vector{std::string(kWeights)};
  const auto index = read_json(kIndex);
  if (!index) return fail(index.error());
  const auto index_file = (path_ / kIndex).string();
  if (!*index) {
    return fail(ErrorCode::kUnsupported, path_.string() + " has no weights that MLXR can read: no " + std::string(kWeights) + " and no " +
                                             std::string(kIndex) + ". Use the model's safetensors files, or a GGUF file of it.");
  }
  const auto* map = (*index)->find("weight_map");
  if (!map || !map->members() || map->members()->empty()) return damaged(index_file, "it has no weight_map");
  std::vector<std::string> names;
  for (const auto& [tensor, file] : *map->members()) {
    if (!file.text() || !is_plain_name(*file.text()))
      return damaged(index_file, "it says of tensor " + printable(tensor) + " that it is in " +
                                     (file.text() ? printable(*file.text()) : "no file") + ", which is not a file of the folder");
    names.push_back(*file.text());
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const auto& name : names) {
    if (!has(name)) return damaged(index_file, "it names the file " + printable(name) + ", which the folder does not have");
  }
  return names;
}

}  // namespace mlxr::formats
