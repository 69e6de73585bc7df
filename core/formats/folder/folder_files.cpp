#include "core/formats/folder/folder_files.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <span>
#include <system_error>
#include <utility>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"
#include "platform/files.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{256} << 20;  // the longest tokenizer.json in use has 35 MiB

constexpr std::string_view kConfig = "config.json", kWeights = "model.safetensors", kIndex = "model.safetensors.index.json";

// The files with a name of their own. The others are those that the index lists.
constexpr std::string_view kNamed[] = {kConfig,
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "generation_config.json",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       kWeights,
                                       kIndex,
                                       kModulesFile,
                                       kPoolingFile,
                                       kDenseFiles[0].config,
                                       kDenseFiles[0].weights,
                                       kDenseFiles[1].config,
                                       kDenseFiles[1].weights};

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos;
}

// Of a file such as model-00002-of-00005.safetensors, 2 and 5. Zeros for other names.
std::pair<std::size_t, std::size_t> number_of_shard(std::string_view name) {
  constexpr std::string_view kPrefix = "model-", kOf = "-of-", kSuffix = ".safetensors";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return {};
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  const auto of = name.find(kOf);
  if (of == name.npos) return {};
  const auto number = [](std::string_view digits) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
  };
  return {number(name.substr(0, of)), number(name.substr(of + kOf.size()))};
}

// Of these names, in order, the shards of a model that has all of them. Empty: there is none, or there are several.
std::vector<std::string> whole_shards(const std::vector<std::string>& names) {
  std::map<std::size_t, std::vector<std::string>> by_count;
  for (const auto& name : names) {
    if (const auto [number, count] = number_of_shard(name); number >= 1 && number <= count) by_count[count].push_back(name);
  }
  std::erase_if(by_count, [](const auto& shards) { return shards.second.size() != shards.first; });
  if (by_count.size() != 1) return {};
  auto shards = std::move(by_count.begin()->second);
  std::ranges::sort(shards);
  return shards;
}

// Of the files of a folder, those whose names are of shards.
std::vector<std::string> shards_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ec;
  for (auto at = fs::directory_iterator(folder, ec); !ec && at != fs::directory_iterator(); at.increment(ec)) {
    if (auto name = at->path().filename().string(); number_of_shard(name).second > 0) names.push_back(std::move(name));
  }
  return names;
}

// `real` is the folder without links, and `within` the path of what is opened in it.
bool may_lead_to(const fs::path& file, const fs::path& real, const fs::path& within) {
  if (file.parent_path() == (real / within).parent_path()) return true;
  const auto snapshots = real.parent_path();
  return snapshots.filename() == "snapshots" && file.parent_path() == snapshots.parent_path() / "blobs";
}

Result<platform::OpenFile> open_in(const fs::path& folder, const fs::path& real, std::string_view name) {
  const auto path = folder / name, within = FolderFiles::path_within(name);
  std::error_code ec;
  const auto file = fs::canonical(real / within, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot open " + (folder / within).string()));
  if (!may_lead_to(file, real, within)) {
    return fail(ErrorCode::kCorrupt, (folder / within).string() + " is a link that leads out of the folder, to " +
                                         printable(file.string()) + ". Put the file itself into the folder.");
  }
  const auto opened = platform::OpenFile::open(file);
  return opened ? platform::OpenFile::duplicate(opened->descriptor(), path) : fail(opened.error());
}

}  // namespace

fs::path FolderFiles::path_within(std::string_view name) {
  if (name == kPoolingFile) return fs::path(name) / kConfig;
  for (const auto& dense : kDenseFiles) {
    if (name == dense.config) return fs::path(dense.config) / kConfig;
    if (name == dense.weights) return fs::path(dense.config) / kWeights;
  }
  return name;
}

Result<FolderFiles> FolderFiles::open(const fs::path& folder) {
  std::error_code ec;
  const auto real = fs::canonical(folder, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot open " + folder.string()));
  if (!platform::is_there(folder / kConfig))
    return fail(ErrorCode::kUnsupported, folder.string() + " is a folder without a " + std::string(kConfig) + ", so it is not a model.");
  std::vector<platform::OpenFile> opened;
  const auto open_one = [&](std::string_view name) -> Result<void> {
    if (!platform::is_there(folder / path_within(name))) return {};
    auto file = open_in(folder, real, name);
    if (!file) return fail(std::move(file.error()));
    opened.push_back(*std::move(file));
    return {};
  };
  for (const auto name : kNamed) {
    if (auto done = open_one(name); !done) return fail(done.error());
  }
  FolderFiles files(platform::OpenFiles(folder, std::exchange(opened, {})));
  if (files.files_.find(kWeights) != nullptr) return files;
  auto shards = files.indexed_files();
  // Programs that convert a model may leave its old index, or write none.
  const auto is_there = [&](const std::string& name) { return platform::is_there(folder / name); };
  if (!shards || !std::ranges::all_of(*shards, is_there)) {
    if (auto whole = whole_shards(shards_in(real)); !whole.empty()) shards = std::move(whole);
  }
  if (!shards) return fail(shards.error());
  if (files.files_.files().size() + shards->size() > kMost)
    return damaged((folder / kIndex).string(),
                   "it names " + std::to_string(shards->size()) + " files; the limit for a folder is " + std::to_string(kMost));
  for (const auto& name : *shards) {
    if (files.files_.find(name) != nullptr) continue;
    if (auto done = open_one(name); !done) return fail(done.error());
  }
  files.files_.add(std::move(opened));
  return files;
}

Result<platform::OpenFile> FolderFiles::open_file(std::string_view name) const {
  const auto* file = files_.find(name);
  if (file == nullptr) return damaged(path().string(), "it does not have the file " + printable(name));
  return platform::OpenFile::duplicate(file->descriptor(), file->name());
}

Result<std::optional<std::string>> FolderFiles::read_text(std::string_view name) const {
  if (std::ranges::find(kNamed, name) == std::end(kNamed))
    return fail(ErrorCode::kInternal, std::string(name) + " is not among the files that FolderFiles::open looks for.");
  const auto* file = files_.find(name);
  if (file == nullptr) return std::nullopt;
  if (file->size() > kMaxTextBytes)
    return damaged(file->name().string(),
                   "it has " + std::to_string(file->size()) + " bytes; the limit is " + std::to_string(kMaxTextBytes));
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  if (auto done = file->read(0, std::as_writable_bytes(std::span(text))); !done) return fail(done.error());
  return text;
}

Result<std::optional<Json>> FolderFiles::read_json(std::string_view name) const {
  const auto text = read_text(name);
  if (!text) return fail(text.error());
  if (!*text) return std::nullopt;
  auto json = parse_json(**text, (path() / path_within(name)).string());
  if (!json) return fail(json.error());
  return *std::move(json);
}

Result<std::vector<std::string>> FolderFiles::indexed_files() const {
  const auto index = read_json(kIndex);
  if (!index) return fail(index.error());
  const auto index_file = (path() / kIndex).string();
  if (!*index) {
    return fail(ErrorCode::kUnsupported, path().string() + " has no weights that MLXR can read: no " + std::string(kWeights) + " and no " +
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
  return names;
}

Result<std::vector<std::string>> FolderFiles::weight_files() const {
  if (files_.find(kWeights) != nullptr) return std::vector{std::string(kWeights)};
  auto names = indexed_files();
  const auto is_missing = [&](const std::string& name) { return files_.find(name) == nullptr; };
  const bool complete = names && std::ranges::none_of(*names, is_missing);
  if (complete) return names;
  std::vector<std::string> all;
  for (const auto& file : files_.files()) all.push_back(file.name().filename().string());
  if (auto whole = whole_shards(all); !whole.empty()) return whole;
  if (!names) return names;
  return damaged((path() / kIndex).string(),
                 "it names the file " + printable(*std::ranges::find_if(*names, is_missing)) + ", which the folder does not have");
}

}  // namespace mlxr::formats
