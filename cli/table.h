// A table for people: columns as wide as their widest cell, two spaces between, no lines.
#pragma once

#include <string>
#include <vector>

namespace mlxr::cli {

enum class Align { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add_row(std::vector<std::string> cells);  // missing cells are empty, more than there are columns are dropped
  std::string to_string() const;                 // with the titles, a new line at the end of each row, no trailing spaces

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace mlxr::cli
