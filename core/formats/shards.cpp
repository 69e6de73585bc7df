#include "core/formats/shards.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "core/formats/gguf.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPattern = "-00000-of-00000.gguf";

// The file at `path`, and how many shards it says its model has.
struct Opened {
  platform::OpenFile file;
  std::int64_t shards;
};

Result<Opened> open_shard(const fs::path& path) {
  auto file = platform::OpenFile::open(path);
  if (!file) return fail(std::move(file.error()));
  auto copy = platform::OpenFile::duplicate(file->descriptor(), path);
  if (!copy) return fail(std::move(copy.error()));
  const FileSource source(*std::move(copy));
  const auto contents = parse_gguf(source, path.string());
  if (!contents) return fail(contents.error());
  return Opened{*std::move(file), contents->metadata.integer("split.count").value_or(1)};
}

}  // namespace

std::optional<ShardName> ShardName::parse(std::string_view file_name) {
  if (file_name.size() <= kPattern.size()) return std::nullopt;
  const auto suffix = file_name.substr(file_name.size() - kPattern.size());
  std::string zeroed(suffix);
  std::ranges::replace_if(zeroed, [](char c) { return c >= '1' && c <= '9'; }, '0');
  if (zeroed != kPattern) return std::nullopt;
  ShardName name{.stem = std::string(file_name.substr(0, file_name.size() - kPattern.size()))};
  std::from_chars(suffix.data() + 1, suffix.data() + 6, name.number);
  std::from_chars(suffix.data() + 10, suffix.data() + 15, name.count);
  if (name.number < 1 || name.number > name.count || name.count > kMaxShards) return std::nullopt;
  return name;
}

std::string ShardName::of(int other) const {
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, "-%05d-of-%05d.gguf", other, count);
  return stem + suffix;
}

std::vector<fs::path> shard_paths(const fs::path& path) {
  const auto name = ShardName::parse(path.filename().string());
  if (!name) return {path};
  std::vector<fs::path> paths;
  for (int number = 1; number <= name->count; ++number) paths.push_back(path.parent_path() / name->of(number));
  return paths;
}

Result<platform::OpenFiles> open_gguf_files(const fs::path& path) {
  const auto name = ShardName::parse(path.filename().string());
  if (!name || name->count == 1) {
    auto file = platform::OpenFile::open(path);
    return file ? Result<platform::OpenFiles>(*std::move(file)) : fail(std::move(file.error()));
  }
  auto given = open_shard(path);
  if (!given) return fail(std::move(given.error()));
  if (given->shards <= 1) return std::move(given->file);  // a whole model that is only called like a shard
  std::vector<platform::OpenFile> files;
  const auto paths = shard_paths(path);
  for (const auto& shard : paths) {
    auto file = shard == path ? Result<platform::OpenFile>(std::move(given->file)) : platform::OpenFile::open(shard);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      return fail(ErrorCode::kNotFound, shard.string() + " is missing. The model is split into " + std::to_string(name->count) +
                                            " files, which must all be in one folder.");
    }
    if (!file) return fail(std::move(file.error()));
    files.push_back(*std::move(file));
  }
  return platform::OpenFiles(paths.front(), std::move(files));
}

}  // namespace mlxr::formats
