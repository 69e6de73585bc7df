#include "store/registry.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "core/formats/shards.h"
#include "platform/files.h"
#include "platform/time.h"

namespace mlxr::store {
namespace {

namespace fs = std::filesystem;

bool can_still_be_read(ErrorCode code) { return code == ErrorCode::kNoSpace || code == ErrorCode::kPermission; }

// SQLite would create the file with the umask's mode, in a folder that others may be able to read. The journals get the same mode.
// Closed again before SQLite opens the file: closing any descriptor of a file drops all locks that the process holds on it (POSIX), and
// without SQLite's lock the next process to close the database would delete the journal that this one still reads.
Result<void> create_private(const fs::path& file) {
  const platform::FileDescriptor created(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!created) return fail(platform::os_error(errno, "The registry " + file.string() + " cannot be opened"));
  return {};
}

}  // namespace

Result<Database> Registry::open_writable(const fs::path& file, std::span<const std::string_view> steps) {
  if (auto created = create_private(file); !created) return fail(created.error());
  auto database = Database::open(file, Database::Mode::kReadWrite);
  if (!database) return database;
  if (auto ok = refuse_newer(*database, file, steps.size()); !ok) return fail(ok.error());
  // On macOS only fullfsync guarantees what fsync does elsewhere.
  if (auto ok = database->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON"); !ok)
    return fail(ok.error());
  if (auto ok = migrate(*database, file, steps); !ok) return fail(ok.error());
  return database;
}

// If the journal cannot be opened because the disk is full, it is ignored: the list may then lack the last change.
Result<Database> Registry::open_readable(const fs::path& file, std::span<const std::string_view> steps) {
  auto error = fail(ErrorCode::kIo, "The registry " + file.string() + " cannot be read.");
  for (const auto mode : {Database::Mode::kReadOnly, Database::Mode::kImmutable}) {
    auto database = Database::open(file, mode);
    auto ok = database ? refuse_newer(*database, file, steps.size()) : fail(database.error());
    const auto version = ok ? schema_version(*database) : fail(ok.error());
    if (version && *version > 0) return database;
    if (!version) error = fail(version.error());
  }
  return error;
}

Result<std::unique_ptr<Registry>> Registry::open(const fs::path& file, std::span<const std::string_view> steps) {
  std::error_code ec;
  if (fs::exists(file, ec)) {
    // First opened without a journal, so that a newer MLXR's registry does not change by a single byte. Because another process may be
    // writing, only an unambiguous result is used; otherwise the check under the lock below decides.
    auto look = Database::open(file, Database::Mode::kImmutable);
    if (look) {
      auto ok = refuse_newer(*look, file, steps.size());
      if (!ok && ok.error().code == ErrorCode::kVersion) return fail(ok.error());
    }
  }
  auto database = open_writable(file, steps);
  const bool is_read_only = !database && can_still_be_read(database.error().code);
  if (is_read_only) {
    if (auto readable = open_readable(file, steps)) database = std::move(readable);
  }
  if (!database) return fail(database.error());
  return std::unique_ptr<Registry>(new Registry(file, std::move(*database), steps, is_read_only));
}

Result<void> Registry::make_writable() {
  if (!is_read_only_) return {};
  auto database = open_writable(file_, steps_);
  if (!database) return fail(database.error());
  database_ = std::move(*database);
  is_read_only_ = false;
  return {};
}

std::string Registry::stored(const fs::path& file) const {
  const auto relative = file.lexically_relative(models_folder());
  return relative.empty() || *relative.begin() == ".." ? file.native() : relative.native();
}

fs::path Registry::absolute(const std::string& stored) const { return models_folder() / stored; }  // an absolute one stays as it is

Result<std::vector<ModelRecord>> Registry::select(std::string_view where, const std::vector<std::string>& values) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare(
      "SELECT name, file, in_place, size, sha256, license, source, modified_at, architecture, quantization, parameters, context_length, "
      "embedding_length FROM models " +
      std::string(where) + " ORDER BY name");
  if (!query) return fail(query.error());
  for (const auto& value : values) query->bind(value);
  std::vector<ModelRecord> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) return out;
    ModelRecord r;
    r.name = query->text(0);
    r.file = absolute(query->text(1));
    r.in_place = query->integer(2) != 0;
    r.size = static_cast<std::uint64_t>(query->integer(3));
    r.sha256 = query->text(4);
    r.license = query->text(5);
    r.source = query->text(6);
    r.modified_at = query->text(7);
    r.architecture = query->text(8);
    r.quantization = query->text(9);
    r.parameters = static_cast<std::uint64_t>(query->integer(10));
    r.context_length = static_cast<std::uint64_t>(query->integer(11));
    r.embedding_length = static_cast<std::uint64_t>(query->integer(12));
    out.push_back(std::move(r));
  }
}

Result<std::vector<ModelRecord>> Registry::models() { return select("", {}); }

Result<std::optional<ModelRecord>> Registry::model(std::string_view name) {
  auto found = select("WHERE name = ?", {std::string(name)});
  if (!found) return fail(found.error());
  return found->empty() ? std::nullopt : std::optional(found->front());
}

Result<std::optional<ModelRecord>> Registry::model_of_file(const fs::path& file) {
  auto found = select("WHERE file IN (?, ?)", {file.native(), stored(file)});
  if (!found) return fail(found.error());
  return found->empty() ? std::nullopt : std::optional(found->front());
}

Result<void> Registry::put(const ModelRecord& r) {
  const std::lock_guard lock(mutex_);
  if (auto ok = make_writable(); !ok) return ok;
  auto insert = database_.prepare(
      "INSERT OR REPLACE INTO models(name, file, in_place, size, sha256, license, source, modified_at, architecture, quantization, "
      "parameters, context_length, embedding_length) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert) return fail(insert.error());
  insert->bind(r.name).bind(r.in_place ? r.file.native() : stored(r.file)).bind(std::int64_t{r.in_place});
  insert->bind(static_cast<std::int64_t>(r.size)).bind(r.sha256);
  insert->bind(r.license).bind(r.source).bind(r.modified_at).bind(r.architecture).bind(r.quantization);
  insert->bind(static_cast<std::int64_t>(r.parameters)).bind(static_cast<std::int64_t>(r.context_length));
  return insert->bind(static_cast<std::int64_t>(r.embedding_length)).run();
}

Result<void> Registry::erase(std::string_view name) {
  const auto record = model(name);
  if (!record) return fail(record.error());
  const std::lock_guard lock(mutex_);
  if (auto ok = make_writable(); !ok) return ok;
  auto erase = database_.prepare("DELETE FROM models WHERE name = ?");
  if (!erase) return fail(erase.error());
  if (auto ok = erase->bind(name).run(); !ok || !*record) return ok;
  for (const auto& file : formats::shard_paths((*record)->file)) {
    auto forget = database_.prepare("DELETE FROM verified_files WHERE file = ?");
    if (!forget) return fail(forget.error());
    if (auto ok = forget->bind(stored(file)).run(); !ok) return ok;
  }
  return {};
}

Result<std::optional<std::string>> Registry::verified(const fs::path& file, const FileStamp& stamp) {
  return find_verified(" AND file = ?", stored(file), stamp);
}

Result<std::optional<std::string>> Registry::verified(const FileStamp& stamp) { return find_verified("", std::nullopt, stamp); }

Result<std::optional<std::string>> Registry::find_verified(std::string_view condition, const std::optional<std::string>& value,
                                                           const FileStamp& stamp) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare(
      "SELECT sha256 FROM verified_files WHERE size = ? AND modified_ns = ? AND changed_ns = ? AND device = ? AND inode = ?" +
      std::string(condition));
  if (!query && is_read_only_) return std::nullopt;  // of an older schema, which could not be migrated
  if (!query) return fail(query.error());
  query->bind(static_cast<std::int64_t>(stamp.size)).bind(stamp.modified_ns).bind(stamp.changed_ns);
  query->bind(static_cast<std::int64_t>(stamp.device)).bind(static_cast<std::int64_t>(stamp.inode));
  if (value) query->bind(*value);
  const auto row = query->step();
  if (!row) return fail(row.error());
  return *row ? std::optional(query->text(0)) : std::nullopt;
}

Result<void> Registry::set_verified(const fs::path& file, const FileStamp& stamp, std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  auto done = make_writable();
  if (done) {
    auto insert = database_.prepare(
        "INSERT OR REPLACE INTO verified_files(file, size, modified_ns, changed_ns, device, inode, sha256) VALUES(?, ?, ?, ?, ?, ?, ?)");
    if (!insert) return fail(insert.error());
    insert->bind(stored(file)).bind(static_cast<std::int64_t>(stamp.size)).bind(stamp.modified_ns).bind(stamp.changed_ns);
    insert->bind(static_cast<std::int64_t>(stamp.device)).bind(static_cast<std::int64_t>(stamp.inode));
    done = insert->bind(sha256).run();
  }
  if (done) done = forget_missing_files();
  if (!done && can_still_be_read(done.error().code)) return {};
  return done;
}

Result<void> Registry::forget_missing_files() {
  auto query = database_.prepare("SELECT file FROM verified_files");
  if (!query) return fail(query.error());
  std::vector<std::string> missing;
  for (;;) {
    const auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) break;
    struct stat info{};
    if (::stat(absolute(query->text(0)).c_str(), &info) != 0 && errno == ENOENT) missing.push_back(query->text(0));
  }
  for (const auto& file : missing) {
    auto forget = database_.prepare("DELETE FROM verified_files WHERE file = ?");
    if (!forget) return fail(forget.error());
    if (auto ok = forget->bind(file).run(); !ok) return ok;
  }
  return {};
}

Result<std::optional<std::string>> Registry::accepted_at(std::string_view model, std::string_view license, std::string_view url) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare("SELECT accepted_at FROM accepted_licenses WHERE model = ? AND license = ? AND url = ?");
  if (!query) return fail(query.error());
  const auto row = query->bind(model).bind(license).bind(url).step();
  if (!row) return fail(row.error());
  return *row ? std::optional(query->text(0)) : std::nullopt;
}

Result<void> Registry::accept(std::string_view model, std::string_view license, std::string_view url) {
  const std::lock_guard lock(mutex_);
  if (auto ok = make_writable(); !ok) return ok;
  auto insert = database_.prepare("INSERT OR REPLACE INTO accepted_licenses(model, license, url, accepted_at) VALUES(?, ?, ?, ?)");
  if (!insert) return fail(insert.error());
  return insert->bind(model).bind(license).bind(url).bind(platform::now_rfc3339()).run();
}

Result<bool> Registry::check_license_text(std::string_view model, std::string_view license, std::string_view text_sha256) {
  const std::lock_guard lock(mutex_);
  if (auto ok = make_writable(); !ok) return fail(ok.error());
  auto note = database_.prepare("UPDATE accepted_licenses SET text_sha256 = ? WHERE model = ? AND license = ? AND text_sha256 = ''");
  if (!note) return fail(note.error());
  if (auto ok = note->bind(text_sha256).bind(model).bind(license).run(); !ok) return fail(ok.error());
  auto others = database_.prepare("SELECT count(*) FROM accepted_licenses WHERE model = ? AND license = ? AND text_sha256 <> ?");
  if (!others) return fail(others.error());
  if (const auto row = others->bind(model).bind(license).bind(text_sha256).step(); !row) return fail(row.error());
  if (others->integer(0) == 0) return true;
  auto forget = database_.prepare("DELETE FROM accepted_licenses WHERE model = ? AND license = ?");
  if (!forget) return fail(forget.error());
  if (auto ok = forget->bind(model).bind(license).run(); !ok) return fail(ok.error());
  return false;
}

}  // namespace mlxr::store
