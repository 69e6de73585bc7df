#include "core/formats/folder/decoded_sources.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/quant/half.h"

namespace mlxr::formats {
namespace {

quant::Type type_of_transposed(quant::Type type) {
  const bool plain = type == quant::Type::kF32 || type == quant::Type::kBF16;
  return plain ? type : quant::Type::kF16;
}

void put_float(quant::Type type, float value, std::byte* to) {
  if (type == quant::Type::kF32) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  const auto bits =
      type == quant::Type::kF16 ? quant::f32_to_f16(value) : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  std::memcpy(to, &bits, sizeof bits);
}

}  // namespace

Result<void> UnitSource::read(std::uint64_t offset, std::span<std::byte> to) const {
  if (offset > size() || to.size() > size() - offset) return fail(ErrorCode::kCorrupt, "The bytes end too early.");
  std::vector<std::byte> unit;
  while (!to.empty()) {
    const auto skipped = offset % unit_bytes_;
    auto count = to.size() / unit_bytes_ * unit_bytes_;
    if (skipped == 0 && count > 0) {
      if (auto made = make(offset / unit_bytes_, to.first(count)); !made) return made;
    } else {
      unit.resize(unit_bytes_);
      if (auto made = make(offset / unit_bytes_, unit); !made) return made;
      count = std::min<std::uint64_t>(to.size(), unit_bytes_ - skipped);
      std::ranges::copy(std::span(unit).subspan(skipped, count), to.begin());
    }
    to = to.subspan(count);
    offset += count;
  }
  return {};
}

// Rows that keep their order are read one by one: a head may be a large matrix, which is asked for in pieces.
HeadRowsSource::HeadRowsSource(Tensor base, HeadRows rows)
    : UnitSource(base.bytes / static_cast<std::uint64_t>(base.shape[0]) * static_cast<std::uint64_t>(rows.pairs_apart ? rows.head_rows : 1),
                 static_cast<std::uint64_t>(rows.pairs_apart ? rows.heads : rows.heads * rows.head_rows)),
      base_(std::move(base)),
      rows_(rows),
      row_bytes_(base_.bytes / static_cast<std::uint64_t>(base_.shape[0])) {
  if (rows_.in_turn == 0) rows_.in_turn = rows_.heads;
}

Result<void> HeadRowsSource::make(std::uint64_t first, std::span<std::byte> to) const {
  return rows_.pairs_apart ? make_heads(static_cast<std::int64_t>(first), to) : make_rows(static_cast<std::int64_t>(first), to);
}

std::uint64_t HeadRowsSource::place_of(std::int64_t head) const {
  const auto row = head / rows_.in_turn * rows_.every + rows_.before + head % rows_.in_turn * rows_.head_rows;
  return static_cast<std::uint64_t>(row) * row_bytes_;
}

Result<void> HeadRowsSource::make_rows(std::int64_t first, std::span<std::byte> to) const {
  while (!to.empty()) {
    const auto row = first % rows_.head_rows, count = std::min(rows_.head_rows - row, static_cast<std::int64_t>(to.size() / row_bytes_));
    const auto made = to.first(static_cast<std::size_t>(count) * row_bytes_);
    const auto place = place_of(first / rows_.head_rows) + static_cast<std::uint64_t>(row) * row_bytes_;
    if (auto done = base_.read(place, made); !done) return done;
    to = to.subspan(made.size());
    first += count;
  }
  return {};
}

Result<void> HeadRowsSource::make_heads(std::int64_t number, std::span<std::byte> to) const {
  std::vector<std::byte> head(unit_bytes());
  for (; !to.empty(); to = to.subspan(unit_bytes()), ++number) {
    if (auto done = base_.read(place_of(number), head); !done) return done;
    const auto half = static_cast<std::size_t>(rows_.head_rows / 2);
    for (std::size_t i = 0; i < 2 * half; ++i)
      std::memcpy(to.data() + i * row_bytes_, head.data() + (i % 2 * half + i / 2) * row_bytes_, row_bytes_);
  }
  return {};
}

Result<void> FloatSource::make(std::uint64_t, std::span<std::byte> to) const {
  auto values = base_.values();
  if (!values) return fail(std::move(values.error()));
  for (float& value : *values) value = negative_exp_ ? -std::exp(value) : value + added_;
  std::ranges::copy(std::as_bytes(std::span(*values)), to.begin());
  return {};
}

Result<void> OrderedRowsSource::make(std::uint64_t first, std::span<std::byte> to) const {
  const auto row_bytes = unit_bytes();
  auto row = static_cast<std::size_t>(first);
  while (!to.empty()) {  // rows that follow one another in both are one read
    std::size_t count = 1;
    while (count < to.size() / row_bytes && order_[row + count] == order_[row] + static_cast<std::int64_t>(count)) ++count;
    const auto made = to.first(count * row_bytes);
    if (auto done = base_.read(static_cast<std::uint64_t>(order_[row]) * row_bytes, made); !done) return done;
    to = to.subspan(made.size());
    row += count;
  }
  return {};
}

Result<void> OrderedColumnsSource::make(std::uint64_t first, std::span<std::byte> to) const {
  const auto row_bytes = static_cast<std::size_t>(unit_bytes()), run_bytes = row_bytes / order_.size();
  std::vector<std::byte> row(row_bytes);
  for (; !to.empty(); to = to.subspan(row_bytes)) {
    if (auto done = base_.read(first++ * row_bytes, row); !done) return done;
    for (std::size_t i = 0; i < order_.size(); ++i)
      std::memcpy(to.data() + i * run_bytes, row.data() + static_cast<std::size_t>(order_[i]) * run_bytes, run_bytes);
  }
  return {};
}

TransposedSource::TransposedSource(Tensor base, std::int64_t rows)
    : UnitSource(static_cast<std::uint64_t>(rows) * (type_of_transposed(base.type) == quant::Type::kF32 ? 4 : 2),
                 static_cast<std::uint64_t>(base.shape[0] / rows * base.shape[1])),
      base_(std::move(base)),
      rows_(rows),
      columns_(base_.shape[1]),
      type_(type_of_transposed(base_.type)) {}

Result<void> TransposedSource::make(std::uint64_t first, std::span<std::byte> to) const {
  const auto row_bytes = static_cast<std::size_t>(unit_bytes()), columns = static_cast<std::size_t>(columns_);
  for (auto row = static_cast<std::size_t>(first); !to.empty();) {
    const auto column = row % columns, count = std::min(to.size() / row_bytes, columns - column);
    const auto matrix = base_.rows(static_cast<std::int64_t>(row / columns) * rows_, rows_);
    const auto made = to.first(count * row_bytes);
    const bool some_of_plain = count < columns && type_ == matrix.type;
    if (auto done = some_of_plain ? turn_columns(matrix, column, count, made) : turn_decoded(matrix, column, count, made); !done)
      return done;
    to = to.subspan(made.size());
    row += count;
  }
  return {};
}

// A read for each row: a large matrix is asked for in pieces, and would be read as a whole for each of them.
Result<void> TransposedSource::turn_columns(const Tensor& matrix, std::size_t column, std::size_t count, std::span<std::byte> to) const {
  const auto row_bytes = static_cast<std::size_t>(unit_bytes()), rows = static_cast<std::size_t>(rows_), value_bytes = row_bytes / rows;
  std::vector<std::byte> part(count * value_bytes);
  for (std::size_t i = 0; i < rows; ++i) {
    if (auto done = matrix.read((i * static_cast<std::size_t>(columns_) + column) * value_bytes, part); !done) return done;
    for (std::size_t j = 0; j < count; ++j)
      std::memcpy(to.data() + j * row_bytes + i * value_bytes, part.data() + j * value_bytes, value_bytes);
  }
  return {};
}

Result<void> TransposedSource::turn_decoded(const Tensor& matrix, std::size_t column, std::size_t count, std::span<std::byte> to) const {
  const auto row_bytes = static_cast<std::size_t>(unit_bytes()), rows = static_cast<std::size_t>(rows_), value_bytes = row_bytes / rows;
  const auto values = matrix.values();
  if (!values) return fail(values.error());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < count; ++j)
      put_float(type_, (*values)[i * static_cast<std::size_t>(columns_) + column + j], to.data() + j * row_bytes + i * value_bytes);
  return {};
}

Result<void> AlternateRowsSource::make(std::uint64_t first, std::span<std::byte> to) const {
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  const auto row_bytes = static_cast<std::size_t>(unit_bytes());
  std::vector<std::byte> both(std::max<std::size_t>(kPieceBytes / (2 * row_bytes), 1) * 2 * row_bytes);
  while (!to.empty()) {
    const auto rows = std::min(to.size() / row_bytes, both.size() / (2 * row_bytes));
    if (auto done = base_.read(2 * first * row_bytes, std::span(both).first(2 * rows * row_bytes)); !done) return done;
    for (std::size_t row = 0; row < rows; ++row)
      std::memcpy(to.data() + row * row_bytes, both.data() + (2 * row + first_) * row_bytes, row_bytes);
    to = to.subspan(rows * row_bytes);
    first += rows;
  }
  return {};
}

Result<void> StackedSource::read(std::uint64_t offset, std::span<std::byte> to) const {
  if (offset > size() || to.size() > size() - offset) return fail(ErrorCode::kCorrupt, "The bytes end too early.");
  const auto part_bytes = parts_[0].bytes;
  while (!to.empty()) {
    const auto within = offset % part_bytes;
    const auto piece = to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), part_bytes - within)));
    if (auto done = parts_[static_cast<std::size_t>(offset / part_bytes)].read(within, piece); !done) return done;
    to = to.subspan(piece.size());
    offset += piece.size();
  }
  return {};
}

}  // namespace mlxr::formats
