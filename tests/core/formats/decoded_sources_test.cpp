#include "core/formats/folder/decoded_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// A matrix of floats whose row r is r, r + 0.5.
struct Matrix {
  std::vector<float> values;
  MemorySource source;
  Tensor tensor;

  explicit Matrix(std::int64_t rows) : values(made(rows)), source(std::as_bytes(std::span(values))) {
    tensor = {.type = quant::Type::kF32, .shape = {rows, 2}, .bytes = source.size(), .source = &source};
  }
  static std::vector<float> made(std::int64_t rows) {
    std::vector<float> values;
    for (std::int64_t r = 0; r < rows; ++r) values.insert(values.end(), {static_cast<float>(r), static_cast<float>(r) + 0.5f});
    return values;
  }
};

std::vector<float> all_of(const Source& source) {
  std::vector<float> values(source.size() / sizeof(float));
  EXPECT_TRUE(source.read(0, std::as_writable_bytes(std::span(values))));
  return values;
}

// The first value of each row.
std::vector<float> rows_of(const Source& source) {
  std::vector<float> rows;
  const auto values = all_of(source);
  for (std::size_t i = 0; i < values.size(); i += 2) rows.push_back(values[i]);
  return rows;
}

TEST(HeadRows, PutsWhatIsRotatedTogetherSideBySide) {
  const Matrix matrix(8);
  const HeadRowsSource source(matrix.tensor, {.heads = 2, .head_rows = 4, .pairs_apart = true});
  EXPECT_THAT(rows_of(source), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
}

// Two groups of two heads of queries, one of keys, one of values, each of two rows.
TEST(HeadRows, TakesAKindOfHeadsFromAmongOthers) {
  const Matrix matrix(16);
  const HeadRowsSource queries(matrix.tensor, {.heads = 4, .head_rows = 2, .in_turn = 2, .before = 0, .every = 8});
  const HeadRowsSource values(matrix.tensor, {.heads = 2, .head_rows = 2, .in_turn = 1, .before = 6, .every = 8});
  EXPECT_THAT(rows_of(queries), ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
  EXPECT_THAT(rows_of(values), ElementsAre(6, 7, 14, 15));
}

TEST(HeadRows, GivesTheSameInPieces) {
  const Matrix matrix(16);
  const HeadRowsSource source(matrix.tensor, {.heads = 4, .head_rows = 2, .in_turn = 2, .before = 1, .every = 8});
  const auto whole = all_of(source);
  EXPECT_THAT(rows_of(source), ElementsAre(1, 2, 3, 4, 9, 10, 11, 12));
  for (std::size_t begin = 0; begin < whole.size(); ++begin) {
    std::vector<float> part(whole.size() - begin);
    ASSERT_TRUE(source.read(begin * sizeof(float), std::as_writable_bytes(std::span(part))));
    EXPECT_THAT(part, ElementsAreArray(std::span(whole).subspan(begin)));
  }
}

TEST(Transposed, TurnsEachMatrix) {
  const Matrix matrix(6);
  const TransposedSource source(matrix.tensor, 3);
  EXPECT_THAT(all_of(source), ElementsAre(0, 1, 2, 0.5, 1.5, 2.5, 3, 4, 5, 3.5, 4.5, 5.5));
}

TEST(Transposed, GivesTheSameInPieces) {
  const Matrix matrix(6);
  const TransposedSource source(matrix.tensor, 3);
  const auto whole = all_of(source);
  for (std::size_t begin = 0; begin < whole.size(); ++begin) {
    for (std::size_t count = 1; begin + count <= whole.size(); ++count) {
      std::vector<float> part(count);
      ASSERT_TRUE(source.read(begin * sizeof(float), std::as_writable_bytes(std::span(part))));
      EXPECT_THAT(part, ElementsAreArray(std::span(whole).subspan(begin, count)));
    }
  }
}

TEST(Transposed, DecodesWhatIsPacked) {
  std::vector<std::byte> rows;  // two rows of 32 values in Q8_0: a scale of 1 or 2, and whole numbers
  for (const std::uint16_t scale : {0x3C00, 0x4000}) {
    rows.insert(rows.end(), {std::byte(scale), std::byte(scale >> 8)});
    for (int i = 0; i < 32; ++i) rows.push_back(std::byte(i));
  }
  const MemorySource memory(rows);
  const TransposedSource source({.type = quant::Type::kQ8_0, .shape = {2, 32}, .bytes = rows.size(), .source = &memory}, 2);
  ASSERT_EQ(source.type(), quant::Type::kF16);
  std::vector<std::uint16_t> values(64);
  ASSERT_TRUE(source.read(0, std::as_writable_bytes(std::span(values))));
  EXPECT_EQ(values[6], 0x4200);  // 3
  EXPECT_EQ(values[7], 0x4600);  // 6
}

TEST(AlternateRows, TakesEveryOtherRow) {
  const Matrix matrix(6);
  EXPECT_THAT(rows_of(AlternateRowsSource(matrix.tensor, 0)), ElementsAre(0, 2, 4));
  EXPECT_THAT(rows_of(AlternateRowsSource(matrix.tensor, 1)), ElementsAre(1, 3, 5));
}

TEST(AlternateRows, ReadsMoreThanAPieceInTheOrderOfAll) {
  constexpr std::int64_t kRows = 400'000;  // 3 MB of two values each
  const Matrix matrix(kRows);
  const auto rows = rows_of(AlternateRowsSource(matrix.tensor, 1));
  ASSERT_EQ(rows.size(), std::size_t{kRows / 2});
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], static_cast<float>(2 * i + 1));
}

TEST(UnitSource, ReadsEveryRangeAsOneReadOfAllDoes) {
  const Matrix matrix(12);
  const HeadRowsSource source(matrix.tensor, {.heads = 3, .head_rows = 4, .pairs_apart = true});
  const auto whole = all_of(source);
  const auto expected = std::as_bytes(std::span(whole));
  for (std::size_t first = 0; first <= expected.size(); first += 3) {
    for (std::size_t length = 0; length <= expected.size() - first; length += 5) {
      std::vector<std::byte> part(length);
      ASSERT_TRUE(source.read(first, part));
      ASSERT_THAT(part, ElementsAreArray(expected.subspan(first, length))) << first << ", " << length;
    }
  }
}

TEST(UnitSource, RefusesWhatLiesBeyondItsEnd) {
  const Matrix matrix(2);
  const FloatSource source(matrix.tensor, 0);
  std::byte byte{};
  EXPECT_EQ(source.read(source.size(), {&byte, 1}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(source.read(~std::uint64_t{0}, {&byte, 1}).error().code, ErrorCode::kCorrupt);
}

TEST(FloatSource, DecodesAndAdds) {
  const std::vector<std::uint16_t> halves = {0x3f80, 0xc000};  // 1 and -2 as bfloat16
  const MemorySource bytes(std::as_bytes(std::span(halves)));
  const FloatSource source({.type = quant::Type::kBF16, .shape = {2}, .bytes = 4, .source = &bytes}, 1);
  EXPECT_THAT(all_of(source), ElementsAre(2, -1));
}

TEST(StackedSource, PutsTensorsOneBehindTheOther) {
  const Matrix first(1), second(1);
  EXPECT_THAT(all_of(StackedSource({first.tensor, second.tensor})), ElementsAre(0, 0.5f, 0, 0.5f));
}

}  // namespace
}  // namespace mlxr::formats
