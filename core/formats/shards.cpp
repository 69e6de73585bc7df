#include "core/formats/shards.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "core/formats/gguf.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPattern = "-00000-of-00000.gguf";

// A whole model that is only called like a shard says that it has no others, or nothing of it.
Result<bool> is_whole(const platform::OpenFile& file) {
  auto copy = platform::OpenFile::duplicate(file.descriptor(), file.name());
  if (!copy) return fail(std::move(copy.error()));
  const FileSource source(*std::move(copy));
  const auto contents = parse_gguf(source, file.name().string());
  if (!contents) return fail(contents.error());
  return contents->metadata.integer("split.count").value_or(1) <= 1;
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
  auto given = platform::OpenFile::open(path);
  if (!given) return fail(std::move(given.error()));
  if (!name || name->count == 1) return platform::OpenFiles(*std::move(given));
  std::vector<platform::OpenFile> files;
  const auto paths = shard_paths(path);
  for (const auto& shard : paths) {
    auto file = shard == path ? platform::OpenFile::duplicate(given->descriptor(), path) : platform::OpenFile::open(shard);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      const auto whole = is_whole(*given);
      if (!whole) return fail(whole.error());
      if (*whole) return platform::OpenFiles(*std::move(given));
      return fail(ErrorCode::kNotFound, shard.string() + " is missing. The model is split into " + std::to_string(name->count) +
                                            " files, which must all be in one folder.");
    }
    if (!file) return fail(std::move(file.error()));
    files.push_back(*std::move(file));
  }
  return platform::OpenFiles(paths.front(), std::move(files));
}

}  // namespace mlxr::formats
