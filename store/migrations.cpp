#include "store/migrations.h"

#include <string>

#include <unistd.h>

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
    // The files of pulled models become relative to models/, so that the data folder can be moved and copied. They are always
    // models/PUBLISHER/NAME/FILE: three times the parent is models/ (rtrim(x, characters of x but '/') is the parent of x, with its '/').
    // Hashes that were verified without the device and change time are no longer valid. Accepted licenses record the hash of their text.
    R"sql(
      WITH one AS (SELECT name, rtrim(file, replace(file, '/', '')) AS folder FROM models WHERE in_place = 0),
           two AS (SELECT name, rtrim(rtrim(folder, '/'), replace(folder, '/', '')) AS folder FROM one),
           three AS (SELECT name, rtrim(rtrim(folder, '/'), replace(folder, '/', '')) AS folder FROM two)
      UPDATE models SET file = substr(file, length(three.folder) + 1)
        FROM three WHERE models.name = three.name AND three.folder LIKE '%/models/';
      DROP TABLE verified_files;
      CREATE TABLE verified_files(
        file TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL, device INTEGER NOT NULL,
        inode INTEGER NOT NULL, sha256 TEXT NOT NULL) STRICT;
      ALTER TABLE accepted_licenses ADD COLUMN text_sha256 TEXT NOT NULL DEFAULT '';
    )sql",
};

// VACUUM INTO writes the complete database, including the journal, and refuses a file that is not empty.
Result<void> keep_copy(Database& database, const std::filesystem::path& file, std::int64_t version) {
  const auto copy = copy_of_version(file, version);
  const auto draft = std::filesystem::path(copy.string() + "." + std::to_string(::getpid()));
  ::unlink(draft.c_str());
  auto into = database.prepare("VACUUM INTO ?");
  if (!into) return fail(into.error());
  auto done = into->bind(draft.native()).run();
  if (done) done = platform::move_into_place(draft, copy);
  if (!done) ::unlink(draft.c_str());
  return done;
}

Result<void> run_steps(Database& database, const std::filesystem::path& file, std::span<const std::string_view> steps) {
  if (auto ok = refuse_newer(database, file, steps.size()); !ok) return ok;  // another process may have been faster
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
    auto note = database.prepare("INSERT INTO schema_version(version, applied_at) VALUES(?, ?)");
    if (!note) return fail(note.error());
    if (auto ok = note->bind(static_cast<std::int64_t>(next + 1)).bind(platform::now_rfc3339()).run(); !ok) return ok;
  }
  return {};
}

}  // namespace

std::span<const std::string_view> migrations() { return kMigrations; }

std::filesystem::path copy_of_version(const std::filesystem::path& file, std::int64_t version) {
  return file.string() + ".schema-" + std::to_string(version);
}

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
  const auto copy = copy_of_version(file, static_cast<std::int64_t>(known));
  std::error_code unknown;
  const std::string older = std::filesystem::exists(copy, unknown)
                                ? " The registry as this version left it is in " + copy.string() + " (see docs/files.md)."
                                : "";
  return fail(ErrorCode::kVersion, "The registry " + file.string() + " was written by a newer MLXR (schema " + std::to_string(*version) +
                                       "; this program knows " + std::to_string(known) +
                                       "). Nothing was changed. Update MLXR, or use another folder with MLXR_HOME." + older);
}

Result<void> migrate(Database& database, const std::filesystem::path& file, std::span<const std::string_view> steps) {
  const auto version = schema_version(database);
  if (!version) return fail(version.error());
  if (*version == static_cast<std::int64_t>(steps.size())) return {};
  if (auto ok = refuse_newer(database, file, steps.size()); !ok) return ok;
  if (*version > 0) {
    if (auto ok = keep_copy(database, file, *version); !ok) return ok;
  }
  if (auto ok = database.execute("BEGIN IMMEDIATE"); !ok) return ok;
  auto done = run_steps(database, file, steps);
  if (done) done = database.execute("COMMIT");
  if (done) return done;
  if (auto undone = database.execute("ROLLBACK"); !undone) return undone;
  return done;
}

}  // namespace mlxr::store
