// registry.sqlite: which models are here, which licences were accepted, which files were verified. Safe from any thread and process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sqlite.h"
#include "store/store.h"

namespace mlxr::store {

// What a file looked like when its hash was computed. While it looks the same, the hash is taken to hold.
struct FileStamp {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
  static Result<FileStamp> of(const std::filesystem::path& file);
};

// The schema's steps, oldest first; version n is the state after n steps. Never change one that was released: add one.
std::span<const std::string_view> migrations();

class Registry {
 public:
  // Errors: kVersion (newer than `steps`; nothing was touched), kCorrupt, kIo, kNoSpace, kPermission.
  static Result<std::unique_ptr<Registry>> open(const std::filesystem::path& file, std::span<const std::string_view> steps = migrations());

  Result<std::vector<ModelRecord>> models();
  Result<std::optional<ModelRecord>> model(std::string_view name);
  Result<std::optional<ModelRecord>> model_of_file(const std::filesystem::path& file);
  Result<void> put(const ModelRecord& record);
  Result<void> erase(std::string_view name);

  // The hash that was computed when the file looked like this.
  Result<std::optional<std::string>> verified(const std::filesystem::path& file, const FileStamp& stamp);
  Result<void> set_verified(const std::filesystem::path& file, const FileStamp& stamp, std::string_view sha256);

  Result<std::optional<std::string>> accepted_at(std::string_view model, std::string_view license);
  Result<void> accept(std::string_view model, std::string_view license, std::string_view url);

 private:
  explicit Registry(Database database) : database_(std::move(database)) {}
  Result<std::vector<ModelRecord>> select(std::string_view where, std::optional<std::string_view> value);
  std::mutex mutex_;  // one statement at a time
  Database database_;
};

}  // namespace mlxr::store
