#include "store/registry.h"

#include <cerrno>

#include <sys/stat.h>

#include "platform/files.h"
#include "platform/time.h"

namespace mlxr::store {
namespace {

constexpr std::string_view kMigrations[] = {
    R"sql(
      CREATE TABLE models(
        name TEXT PRIMARY KEY, file TEXT NOT NULL, in_place INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
        license TEXT NOT NULL, source TEXT NOT NULL, modified_at TEXT NOT NULL, architecture TEXT NOT NULL, quantization TEXT NOT NULL,
        parameters INTEGER NOT NULL, context_length INTEGER NOT NULL, embedding_length INTEGER NOT NULL) STRICT;
      CREATE TABLE accepted_licenses(
        model TEXT NOT NULL, license TEXT NOT NULL, url TEXT NOT NULL, accepted_at TEXT NOT NULL, PRIMARY KEY(model, license)) STRICT;
      CREATE TABLE verified_files(
        file TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL) STRICT;
    )sql",
};

// 0 for a database without the table.
Result<std::int64_t> schema_version(Database& database) {
  auto table = database.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'");
  if (!table) return fail(table.error());
  if (auto row = table->step(); !row) return fail(row.error());
  if (table->integer(0) == 0) return 0;
  auto version = database.prepare("SELECT coalesce(max(version), 0) FROM schema_version");
  if (!version) return fail(version.error());
  if (auto row = version->step(); !row) return fail(row.error());
  return version->integer(0);
}

Result<void> refuse_newer(Database& database, const std::filesystem::path& file, std::size_t known) {
  const auto version = schema_version(database);
  if (!version) return fail(version.error());
  if (*version <= static_cast<std::int64_t>(known)) return {};
  return fail(ErrorCode::kVersion, "The registry " + file.string() + " was written by a newer MLXR (schema " + std::to_string(*version) +
                                       "; this program knows " + std::to_string(known) +
                                       "). Nothing was changed. Update MLXR, or use another folder with MLXR_HOME.");
}

Result<void> migrate(Database& database, const std::filesystem::path& file, std::span<const std::string_view> steps) {
  if (auto ok = refuse_newer(database, file, steps.size()); !ok) return ok;
  const auto version = schema_version(database);
  if (!version) return fail(version.error());
  if (*version == 0) {
    if (auto ok =
            database.execute("CREATE TABLE IF NOT EXISTS schema_version(version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL) STRICT");
        !ok)
      return ok;
  }
  for (auto next = static_cast<std::size_t>(*version); next < steps.size(); ++next) {
    if (auto ok = database.execute(std::string(steps[next])); !ok) return ok;
    auto note = database.prepare("INSERT INTO schema_version VALUES(?, ?)");
    if (!note) return fail(note.error());
    if (auto ok = note->bind(static_cast<std::int64_t>(next + 1)).bind(platform::now_rfc3339()).run(); !ok) return ok;
  }
  return {};
}

}  // namespace

std::span<const std::string_view> migrations() { return kMigrations; }

Result<FileStamp> FileStamp::of(const std::filesystem::path& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return fail(platform::os_error(errno, "Cannot look at " + file.string()));
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kInvalidArgument, file.string() + " is not a file.");
#ifdef __APPLE__
  const auto& time = info.st_mtimespec;
#else
  const auto& time = info.st_mtim;
#endif
  return FileStamp{static_cast<std::uint64_t>(info.st_size), static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec,
                   static_cast<std::uint64_t>(info.st_ino)};
}

Result<std::unique_ptr<Registry>> Registry::open(const std::filesystem::path& file, std::span<const std::string_view> steps) {
  std::error_code ec;
  if (std::filesystem::exists(file, ec)) {
    // Looked at without a journal first, so that a registry of a newer MLXR stays as it is, byte for byte.
    // Another process may be writing meanwhile; only a clear answer counts, and the locked look below decides.
    auto look = Database::open(file, Database::Mode::kImmutable);
    if (look) {
      auto ok = refuse_newer(*look, file, steps.size());
      if (!ok && ok.error().code == ErrorCode::kVersion) return fail(ok.error());
    }
  }
  auto database = Database::open(file, Database::Mode::kReadWrite);
  if (!database) return fail(database.error());
  if (auto ok = refuse_newer(*database, file, steps.size()); !ok) return fail(ok.error());
  if (auto ok = database->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE"); !ok) return fail(ok.error());
  auto migrated = migrate(*database, file, steps);
  if (migrated) migrated = database->execute("COMMIT");
  if (!migrated) {
    if (auto undone = database->execute("ROLLBACK"); !undone) return fail(undone.error());
    return fail(migrated.error());
  }
  return std::unique_ptr<Registry>(new Registry(std::move(*database)));
}

Result<std::vector<ModelRecord>> Registry::select(std::string_view where, std::optional<std::string_view> value) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare(
      "SELECT name, file, in_place, size, sha256, license, source, modified_at, architecture, quantization, parameters, context_length, "
      "embedding_length FROM models " +
      std::string(where) + " ORDER BY name");
  if (!query) return fail(query.error());
  if (value) query->bind(*value);
  std::vector<ModelRecord> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) return out;
    ModelRecord r;
    r.name = query->text(0);
    r.file = query->text(1);
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

Result<std::vector<ModelRecord>> Registry::models() { return select("", std::nullopt); }

Result<std::optional<ModelRecord>> Registry::model(std::string_view name) {
  auto found = select("WHERE name = ?", name);
  if (!found) return fail(found.error());
  return found->empty() ? std::nullopt : std::optional(found->front());
}

Result<std::optional<ModelRecord>> Registry::model_of_file(const std::filesystem::path& file) {
  auto found = select("WHERE file = ?", file.native());
  if (!found) return fail(found.error());
  return found->empty() ? std::nullopt : std::optional(found->front());
}

Result<void> Registry::put(const ModelRecord& r) {
  const std::lock_guard lock(mutex_);
  auto insert = database_.prepare("INSERT OR REPLACE INTO models VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!insert) return fail(insert.error());
  insert->bind(r.name).bind(r.file.native()).bind(std::int64_t{r.in_place}).bind(static_cast<std::int64_t>(r.size)).bind(r.sha256);
  insert->bind(r.license).bind(r.source).bind(r.modified_at).bind(r.architecture).bind(r.quantization);
  insert->bind(static_cast<std::int64_t>(r.parameters)).bind(static_cast<std::int64_t>(r.context_length));
  return insert->bind(static_cast<std::int64_t>(r.embedding_length)).run();
}

Result<void> Registry::erase(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto erase = database_.prepare("DELETE FROM models WHERE name = ?");
  if (!erase) return fail(erase.error());
  return erase->bind(name).run();
}

Result<std::optional<std::string>> Registry::verified(const std::filesystem::path& file, const FileStamp& stamp) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare("SELECT sha256 FROM verified_files WHERE file = ? AND size = ? AND modified_ns = ? AND inode = ?");
  if (!query) return fail(query.error());
  query->bind(file.native())
      .bind(static_cast<std::int64_t>(stamp.size))
      .bind(stamp.modified_ns)
      .bind(static_cast<std::int64_t>(stamp.inode));
  const auto row = query->step();
  if (!row) return fail(row.error());
  return *row ? std::optional(query->text(0)) : std::nullopt;
}

Result<void> Registry::set_verified(const std::filesystem::path& file, const FileStamp& stamp, std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  auto insert = database_.prepare("INSERT OR REPLACE INTO verified_files VALUES(?, ?, ?, ?, ?)");
  if (!insert) return fail(insert.error());
  insert->bind(file.native())
      .bind(static_cast<std::int64_t>(stamp.size))
      .bind(stamp.modified_ns)
      .bind(static_cast<std::int64_t>(stamp.inode));
  return insert->bind(sha256).run();
}

Result<std::optional<std::string>> Registry::accepted_at(std::string_view model, std::string_view license) {
  const std::lock_guard lock(mutex_);
  auto query = database_.prepare("SELECT accepted_at FROM accepted_licenses WHERE model = ? AND license = ?");
  if (!query) return fail(query.error());
  const auto row = query->bind(model).bind(license).step();
  if (!row) return fail(row.error());
  return *row ? std::optional(query->text(0)) : std::nullopt;
}

Result<void> Registry::accept(std::string_view model, std::string_view license, std::string_view url) {
  const std::lock_guard lock(mutex_);
  auto insert = database_.prepare("INSERT OR IGNORE INTO accepted_licenses VALUES(?, ?, ?, ?)");
  if (!insert) return fail(insert.error());
  return insert->bind(model).bind(license).bind(url).bind(platform::now_rfc3339()).run();
}

}  // namespace mlxr::store
