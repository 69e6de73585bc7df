// registry.sqlite: which models are installed, which licenses were accepted, which files were verified. Safe from any thread and process.
//
// The files of pulled models are stored relative to models/ beside the registry, so that the data folder can be moved and copied; callers
// see absolute paths.
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

#include "platform/file_stamp.h"
#include "store/migrations.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace mlxr::store {

using platform::FileStamp;  // of a file when its hash was computed

class Registry {
 public:
  // Opens or creates the registry and brings its schema up to date. If it cannot be written (on a full or read-only disk), the registry is
  // opened read-only, and each method that writes tries again.
  // Errors: kVersion (newer than `steps`; nothing was touched), kCorrupt, kIo, kNoSpace, kPermission.
  static Result<std::unique_ptr<Registry>> open(const std::filesystem::path& file, std::span<const std::string_view> steps = migrations());

  Result<std::vector<ModelRecord>> models();
  Result<std::optional<ModelRecord>> model(std::string_view name);
  Result<std::optional<ModelRecord>> model_of_file(const std::filesystem::path& file);
  // Adds the record, or replaces the one with the same name. The caller holds the model's lock (lock_model).
  Result<void> put(const ModelRecord& record);
  // Also forgets the hashes of the model's files.
  Result<void> erase(std::string_view name);

  // The hash that was computed for the file with these properties.
  Result<std::optional<std::string>> verified(const std::filesystem::path& file, const FileStamp& stamp);
  // The same for a file whose path is not known: that of any file that looked like this.
  Result<std::optional<std::string>> verified(const FileStamp& stamp);
  // Also forgets files that are gone. Does nothing where the disk cannot be written: the hash is computed again the next time.
  Result<void> set_verified(const std::filesystem::path& file, const FileStamp& stamp, std::string_view sha256);

  // When the license was accepted for the model (RFC 3339), if it was. `url` is the address of its text; another address means other terms.
  Result<std::optional<std::string>> accepted_at(std::string_view model, std::string_view license, std::string_view url);
  Result<void> accept(std::string_view model, std::string_view license, std::string_view url);
  // Records the hash of the text that came with the model. Returns false if another text was accepted; the acceptance is then deleted, so
  // that the user is asked again.
  Result<bool> check_license_text(std::string_view model, std::string_view license, std::string_view text_sha256);

 private:
  Registry(std::filesystem::path file, Database database, std::span<const std::string_view> steps, bool is_read_only)
      : file_(std::move(file)), steps_(steps), is_read_only_(is_read_only), database_(std::move(database)) {}
  static Result<Database> open_writable(const std::filesystem::path& file, std::span<const std::string_view> steps);
  static Result<Database> open_readable(const std::filesystem::path& file, std::span<const std::string_view> steps);
  Result<void> make_writable();
  Result<std::vector<ModelRecord>> select(std::string_view where, const std::vector<std::string>& values);
  Result<std::optional<std::string>> find_verified(std::string_view condition, const std::optional<std::string>& value,
                                                   const FileStamp& stamp);
  Result<void> forget_missing_files();

  std::string stored(const std::filesystem::path& file) const;      // relative to models/ where it is below it
  std::filesystem::path absolute(const std::string& stored) const;  // the reverse
  std::filesystem::path models_folder() const { return file_.parent_path() / "models"; }

  const std::filesystem::path file_;
  const std::span<const std::string_view> steps_;
  bool is_read_only_ = false;
  std::mutex mutex_;  // one statement at a time
  Database database_;
};

}  // namespace mlxr::store
