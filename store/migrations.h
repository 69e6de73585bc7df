// The registry's schema, and migrations from older schemas (docs/files.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "store/sqlite.h"

namespace mlxr::store {

// The schema's steps, oldest first; version n is the state after n steps. Never change one that was released: add one.
std::span<const std::string_view> migrations();

// 0 for a database without a schema. Errors: those of Statement::step.
Result<std::int64_t> schema_version(Database& database);

// Errors: kVersion (the database has more steps than `known`, so a newer MLXR wrote it).
Result<void> refuse_newer(Database& database, const std::filesystem::path& file, std::size_t known);

// The path where migrate() keeps a copy of the registry at `version`, for going back to the MLXR that wrote it.
std::filesystem::path copy_of_version(const std::filesystem::path& file, std::int64_t version);

// Runs the missing steps in one transaction, all or none. A database that has a schema is copied first (copy_of_version).
// Errors: those of refuse_newer; kCorrupt, kIo, kNoSpace, kPermission. After an error nothing has changed.
Result<void> migrate(Database& database, const std::filesystem::path& file, std::span<const std::string_view> steps);

}  // namespace mlxr::store
