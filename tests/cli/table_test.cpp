#include "cli/table.h"
#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <clocale>

namespace mlxr::cli {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingSpaces) {
  Table table({{"NAME"}, {"SIZE", Align::kRight}, {"LICENSE"}});
  table.add_row({"smollm2:135m", "98 MB", "Apache-2.0"});
  table.add_row({"x", "1 GB", ""});
  EXPECT_EQ(table.to_string(),
            "NAME           SIZE  LICENSE\n"
            "smollm2:135m  98 MB  Apache-2.0\n"
            "x              1 GB\n");
}

TEST(Table, MissingCellsAreEmpty) {
  Table table({{"A"}, {"B"}});
  table.add_row({"1"});
  EXPECT_EQ(table.to_string(), "A  B\n1\n");
}

TEST(Table, CountsColumnsOfTheTerminalAndNotBytes) {
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "en_US.UTF-8");
  Table table({{"NAME"}, {"N"}});
  table.add_row({"模型", "1"});  // two characters of two columns each
  table.add_row({"häß", "2"});
  EXPECT_EQ(table.to_string(), "NAME  N\n模型  1\nhäß   2\n");
}

TEST(Wrapped, BreaksBetweenWords) {
  EXPECT_EQ(wrapped("one two  three four", 9), "one two\nthree\nfour\n");
  EXPECT_EQ(wrapped("one two three", 9, 2), "  one two\n  three\n");
  EXPECT_EQ(wrapped("a https://example.org/long b", 10), "a\nhttps://example.org/long\nb\n");
  EXPECT_EQ(wrapped("", 10), "");
}

}  // namespace
}  // namespace mlxr::cli
