#include "cli/history_file.h"

#include <fcntl.h>
#include <histedit.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <system_error>

#include "platform/files.h"

namespace mlxr::cli {

void add_to_history_file(const std::filesystem::path& file, const std::string& entry) {
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  const platform::FileDescriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  struct stat info{};
  if (!lock || ::fstat(lock.get(), &info) != 0 || !S_ISREG(info.st_mode) || ::flock(lock.get(), LOCK_EX) != 0) return;
  History* all = history_init();
  HistEvent event;
  history(all, &event, H_SETSIZE, kHistoryLength);
  history(all, &event, H_SETUNIQUE, 1);
  history(all, &event, H_LOAD, file.c_str());  // fails for an empty file
  history(all, &event, H_ENTER, entry.c_str());
  history(all, &event, H_SAVE, file.c_str());
  history_end(all);
}

}  // namespace mlxr::cli
