#include "daemon/models/opened_files.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "platform/file_stamp.h"

namespace mlxr::daemon {
namespace {

using platform::FileStamp;

constexpr std::string_view kPrefix = "open@";

std::string new_reference() {
  std::random_device random;
  std::string reference(kPrefix);
  for (int i = 0; i < 4; ++i) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", random());
    reference += digits;
  }
  return reference;
}

bool looks_the_same(const platform::OpenFiles& a, const platform::OpenFiles& b) {
  if (a.is_one_file() != b.is_one_file()) return false;
  return std::ranges::equal(a.files(), b.files(), [&](const platform::OpenFile& one, const platform::OpenFile& other) {
    return FileStamp::of(one.info()) == FileStamp::of(other.info()) &&
           (a.is_one_file() || one.name().filename() == other.name().filename());
  });
}

}  // namespace

bool OpenedFiles::is_reference(std::string_view text) { return text.starts_with(kPrefix); }

void OpenedFiles::use(std::list<Entry>::iterator entry) {
  entry->used = std::chrono::steady_clock::now();
  entries_.splice(entries_.begin(), entries_, entry);
}

std::string OpenedFiles::add(platform::OpenFiles files, std::optional<std::string> sha256) {
  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::find_if(
      entries_, [&](const Entry& entry) { return looks_the_same(*entry.kept.files, files) && entry.kept.sha256 == sha256; });
  if (same != entries_.end()) {
    use(same);
  } else {
    auto kept = std::make_shared<const platform::OpenFiles>(std::move(files));
    entries_.push_front({new_reference(), {std::move(kept), std::move(sha256), nullptr}, std::chrono::steady_clock::now()});
    if (entries_.size() > kMost) entries_.pop_back();
  }
  return entries_.front().reference;
}

Result<OpenedFiles::Kept> OpenedFiles::find(std::string_view reference) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(entries_, reference, &Entry::reference);
  if (found == entries_.end())
    return fail(ErrorCode::kNotFound, "mlxrunnerd no longer has the model " + std::string(reference) + " open. Open it again.");
  auto& kept = found->kept;
  auto now = kept.files->duplicate();
  if (!now || !kept.files->unchanged()) {
    const auto name = kept.files->name().string();
    entries_.erase(found);
    return fail(ErrorCode::kNotFound, name + " was changed after it was opened. Open it again.");
  }
  if (!looks_the_same(*kept.files, *now)) {  // moved, deleted, or changed by a program that set the time back
    kept.files = std::make_shared<const platform::OpenFiles>(std::move(*now));
    kept.checked = nullptr;
  }
  use(found);
  return kept;
}

void OpenedFiles::remember(const Kept& kept, std::shared_ptr<const store::OpenModel> model) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.kept.files == kept.files; });
  if (found == entries_.end()) return;
  found->kept.checked = std::move(model);
  use(found);
}

void OpenedFiles::close_unused(std::chrono::steady_clock::duration idle_time, const std::function<bool(const std::string&)>& is_loaded) {
  const std::lock_guard lock(mutex_);
  const auto until = std::chrono::steady_clock::now() - idle_time;
  std::erase_if(entries_, [&](const Entry& entry) {
    const auto& [files, sha256, checked] = entry.kept;
    if (entry.used > until || files.use_count() > 1 || checked.use_count() > 1) return false;
    return checked == nullptr || !is_loaded(checked->record.sha256);
  });
}

}  // namespace mlxr::daemon
