#include "store/model_file.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/formats/shards.h"
#include "platform/files.h"
#include "platform/sha256.h"

namespace mlxr::store {

namespace fs = std::filesystem;

namespace {

fs::path whole_path(const fs::path& path) {
  std::error_code ec;
  auto full = fs::absolute(path, ec).lexically_normal();
  return full.has_filename() ? full : full.parent_path();  // "folder/" is "folder"
}

// The .gguf files in a folder.
std::vector<fs::path> gguf_files(const fs::path& folder, std::error_code& ec) {
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    if (it->path().extension() == ".gguf") found.push_back(it->path());
  }
  return found;
}

bool are_shards_of_one_model(const std::vector<fs::path>& files) {
  return files.size() > 1 && files == formats::shard_paths(files.front());
}

// The file itself, or the first shard of its model. Opens the files only where the name is a shard's.
Result<fs::path> first_file(const fs::path& file) {
  if (formats::shard_paths(file).size() == 1) return file;
  const auto files = formats::open_gguf_files(file);
  return files ? Result<fs::path>(files->name()) : fail(files.error());
}

}  // namespace

fs::path without_links(const fs::path& path, std::error_code& failed) {
  if (formats::shard_paths(path).size() == 1) return fs::weakly_canonical(path, failed);
  return fs::weakly_canonical(whole_path(path).parent_path(), failed) / path.filename();
}

std::optional<fs::path> find_model_folder(const fs::path& path) {
  std::error_code ec;
  const auto full = whole_path(path);
  const bool is_model = fs::is_directory(full, ec) && fs::exists(full / "config.json", ec) && gguf_files(full, ec).empty() && !ec;
  return is_model ? std::optional(full) : std::nullopt;
}

Result<fs::path> find_model_file(const fs::path& path) {
  std::error_code ec;
  const auto full = whole_path(path);
  if (!fs::exists(full, ec)) return fail(ErrorCode::kNotFound, "There is no file or folder " + path.string() + ".");
  if (!fs::is_directory(full, ec)) return first_file(full);
  auto found = gguf_files(full, ec);
  if (ec) return fail(platform::os_error(ec.value(), "Cannot list " + full.string()));
  std::ranges::sort(found);
  if (found.size() == 1 || are_shards_of_one_model(found)) return first_file(found.front());
  if (find_model_folder(full)) return full;
  if (found.empty()) return fail(ErrorCode::kNotFound, "The folder " + full.string() + " has no .gguf file and no config.json.");
  return fail(ErrorCode::kInvalidArgument,
              "The folder " + full.string() + " has " + std::to_string(found.size()) + " .gguf files. Name the one to use.");
}

Result<platform::OpenFiles> open_model_at(const fs::path& path) { return formats::open_model_files(path); }

std::string digest_of(const platform::OpenFiles& files, const std::vector<std::string>& hashes) {
  if (files.is_one_file()) return hashes.front();
  std::vector<NamedHash> named;
  for (std::size_t i = 0; i < hashes.size(); ++i) named.push_back({files.files()[i].name().filename().string(), hashes[i]});
  return digest_of(std::move(named));
}

std::string digest_of(std::vector<NamedHash> files) {
  std::ranges::sort(files, {}, &NamedHash::name);
  platform::Sha256 all;
  for (const auto& file : files) {
    const auto line = file.sha256 + "  " + file.name + "\n";
    all.update(line.data(), line.size());
  }
  return all.hex();
}

}  // namespace mlxr::store
