// A thin wrapper of SQLite that returns Result<T>, with the functions that the registry needs. Errors of all methods: kNoSpace (the disk is
// full), kCorrupt, kPermission, kIo.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <mlxrunner/result.h>

struct sqlite3;
struct sqlite3_stmt;

namespace mlxr::store {

// One prepared statement. Parameters count from 1, columns from 0. Must be destroyed before its Database.
class Statement {
 public:
  Statement& bind(std::string_view text);  // the next parameter
  Statement& bind(std::int64_t number);
  Result<bool> step();  // true: there is a row
  Result<void> run();   // to the end
  std::string text(int column) const;
  std::int64_t integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_ = 1;
};

class Database {
 public:
  // kReadWrite creates the file. kReadOnly may create a journal's index beside it. kImmutable creates and changes nothing and ignores the
  // journal: for a file that no process writes.
  enum class Mode { kReadWrite, kReadOnly, kImmutable };
  static Result<Database> open(const std::filesystem::path& file, Mode mode);
  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace mlxr::store
