// Models whose files clients opened themselves and handed over (POST /mlxr/open): the daemon needs no path to them, and no permission for
// the folder they are in.
//
//   const auto reference = opened.add(std::move(files));    // "open@4b1f...", which a client uses as a model's name
//   auto kept = opened.find(reference);                     // the same files, also when they were moved or deleted since
//
// May be used from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

#include "platform/open_files.h"
#include "store/store.h"

namespace mlxr::daemon {

class OpenedFiles {
 public:
  static constexpr std::size_t kMost = 16;

  // The files of a model are in use as long as a copy of this exists.
  struct Kept {
    std::shared_ptr<const platform::OpenFiles> files;
    std::optional<std::string> sha256;                // what the client expects of the file
    std::shared_ptr<const store::OpenModel> checked;  // once remember() was called for the files as they are now; null before
  };

  // Keeps the files of a model and returns a reference to it, "open@" and random digits. A model that is kept already (files with the same
  // device, inode, size and times, of a folder also with the same names, and the same `sha256`) keeps its reference. Of more than kMost
  // models, the files of the one are closed that was not used for the longest time.
  std::string add(platform::OpenFiles files, std::optional<std::string> sha256 = {});

  // Errors: kNotFound (never kept, closed since, or a file was changed since it was opened).
  Result<Kept> find(std::string_view reference);
  // Notes the model that `kept` turned out to be.
  void remember(const Kept& kept, std::shared_ptr<const store::OpenModel> model);

  // Closes the files of models that were not used for `idle_time`, except those of models for which `is_loaded` (of the SHA-256) says true.
  // An open file holds the room of a deleted one, and keeps its disk from being removed.
  void close_unused(std::chrono::steady_clock::duration idle_time, const std::function<bool(const std::string& sha256)>& is_loaded);

  // No model's name looks like a reference: names have no '@'.
  static bool is_reference(std::string_view text);

 private:
  struct Entry {
    std::string reference;
    Kept kept;
    std::chrono::steady_clock::time_point used;
  };
  void use(std::list<Entry>::iterator entry);

  std::mutex mutex_;
  std::list<Entry> entries_;  // the one that was used last comes first
};

}  // namespace mlxr::daemon
