// A file that is being downloaded: it is hashed as it grows, and survives an interruption, a kill -9 or a power failure.
//
// It is in its own folder, beside `state.json`, which records what is fetched, the file's name, how many parts are complete, where the last
// of them ended, and the validator (ETag) of the current part. Bytes after the last complete part are kept only if there is a validator.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "platform/files.h"
#include "platform/sha256.h"

namespace mlxr::store {

class PartialFile {
 public:
  // `identity` identifies the download (hash and sources). A partial file of another download is deleted.
  // `most` is the maximum size in bytes; 0: unknown.
  static Result<PartialFile> open(const std::filesystem::path& folder, std::string_view file, std::string_view identity,
                                  std::uint64_t most);
  // The identity of the partial file in the folder; empty if there is none.
  static std::string identity_in(const std::filesystem::path& folder);
  // The partial file in the folder, and its state. Empty when no PartialFile was opened there; other files there are not MLXR's.
  static std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);
  static bool is_state(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  std::size_t finished_parts() const { return parts_; }
  std::uint64_t part_begin() const { return begin_; }  // where the current part begins
  const std::string& validator() const { return validator_; }

  // Errors: kCorrupt (larger than the maximum; nothing of `data` was written), kNoSpace, kIo.
  Result<void> append(std::string_view data);
  std::uint64_t limit() const { return most_; }       // maximum size in bytes; 0: unknown
  Result<void> check_fits(std::uint64_t more) const;  // the error that append would return for this many bytes
  Result<void> restart_part();                        // discards the current part
  Result<void> set_validator(std::string validator);  // before the first byte of a part
  Result<void> finish_part();
  std::string sha256();  // of the whole file; do not append afterwards

 private:
  PartialFile() = default;
  Result<void> save();
  Result<void> truncate(std::uint64_t size);
  Result<void> hash_again();

  std::filesystem::path path_, state_;
  std::string identity_, validator_;
  std::uint64_t size_ = 0, begin_ = 0, most_ = 0;
  std::size_t parts_ = 0;
  platform::FileDescriptor fd_;
  platform::Sha256 hash_;
};

}  // namespace mlxr::store
