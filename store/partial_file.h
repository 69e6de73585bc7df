// A file that is still arriving: hashed as it grows, and able to go on after a break, a kill -9 or a power cut.
//
// It lies in a folder of its own, beside `state.json`, which notes what is fetched, the file's name, how many parts are complete, where the
// last of them ended, and the validator (ETag) of the part that is arriving. Bytes after the last finished part are kept only with a
// validator.
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
  // `identity` says what is being fetched (hash and sources). What lies there of something else is thrown away.
  // `most` is the bytes it may have; 0: unknown.
  static Result<PartialFile> open(const std::filesystem::path& folder, std::string_view file, std::string_view identity,
                                  std::uint64_t most);
  // The identity of what lies in the folder; empty when nothing does.
  static std::string identity_in(const std::filesystem::path& folder);
  // The partial file in the folder, and its state. Empty when no PartialFile was opened there; other files there are not MLXR's.
  static std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);
  static bool is_state(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  std::size_t finished_parts() const { return parts_; }
  std::uint64_t part_begin() const { return begin_; }  // where the part that is arriving begins
  const std::string& validator() const { return validator_; }

  // Errors: kCorrupt (more than it may have; nothing of `data` was written), kNoSpace, kIo.
  Result<void> append(std::string_view data);
  std::uint64_t limit() const { return most_; }       // bytes it may have; 0: unknown
  Result<void> check_fits(std::uint64_t more) const;  // the error of append, before the bytes are here
  Result<void> restart_part();                        // drops the part that is arriving
  Result<void> set_validator(std::string validator);  // before the first byte of a part
  Result<void> finish_part();
  std::string sha256();  // of the whole; append no more

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
