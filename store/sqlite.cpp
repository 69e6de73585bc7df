#include "store/sqlite.h"

#include <cerrno>
#include <cstdint>

#include <sqlite3.h>

#include "platform/files.h"

namespace mlxr::store {
namespace {

// SQLite reports a full disk as "disk I/O error" unless it was writing a page of the database.
bool is_for_want_of_space(sqlite3* database, int code, const std::filesystem::path& file) {
  constexpr std::uint64_t kIndexOfAJournal = 64 << 10;
  if (code == SQLITE_FULL) return true;
  if (code != SQLITE_IOERR && code != SQLITE_CANTOPEN) return false;
  const int error = sqlite3_system_errno(database);
  return error == ENOSPC || error == EDQUOT || platform::free_space(file).value_or(UINT64_MAX) < kIndexOfAJournal;
}

std::unexpected<Error> failure(sqlite3* database) {
  const char* name = sqlite3_db_filename(database, "main");
  const std::filesystem::path file(name == nullptr ? "" : name);
  const int kind = sqlite3_errcode(database) & 0xff;
  if (is_for_want_of_space(database, kind, file))
    return fail(ErrorCode::kNoSpace, "The disk is full: the registry " + file.string() + " cannot be written. Free space on that disk.");
  ErrorCode code = ErrorCode::kIo;
  switch (kind) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = ErrorCode::kCorrupt; break;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY: code = ErrorCode::kPermission; break;
    default: break;
  }
  return fail(code, "The registry " + file.string() + " cannot be used: " + sqlite3_errmsg(database) + ".");
}

// A path as SQLite's URI: everything but letters, digits and /._- is escaped.
std::string uri(const std::filesystem::path& file) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "file:";
  for (const char c : file.string()) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Statement& Statement::bind(std::string_view value) {
  sqlite3_bind_text(statement_.get(), next_++, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), next_++, number);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(sqlite3_db_handle(statement_.get()));
}

Result<void> Statement::run() {
  for (;;) {
    const auto more = step();
    if (!more) return fail(more.error());
    if (!*more) return {};
  }
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

Result<Database> Database::open(const std::filesystem::path& file, Mode mode) {
  const int flags = (mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_URI |
                    SQLITE_OPEN_FULLMUTEX;
  std::error_code ec;
  if (const auto status = std::filesystem::status(file, ec); std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return fail(ErrorCode::kCorrupt, "The registry " + file.string() + " is not a regular file. Move it away.");  // SQLite would wait
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2((uri(file) + (mode == Mode::kImmutable ? "?immutable=1" : "")).c_str(), &raw, flags, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    const auto kind = code == SQLITE_CANTOPEN || code == SQLITE_PERM ? ErrorCode::kPermission : ErrorCode::kIo;
    return fail(kind, "The registry " + file.string() + " cannot be opened: " + sqlite3_errstr(code) + ".");
  }
  sqlite3_busy_timeout(raw, 10'000);  // another process may be writing
  return database;
}

Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failure(database_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr) != SQLITE_OK)
    return failure(database_.get());
  return Statement(raw);
}

}  // namespace mlxr::store
