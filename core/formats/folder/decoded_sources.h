// Sources that make the bytes of a tensor from those of others while they are read, so that nothing is kept: rows in another order, vectors
// as float32, several tensors as one.
#pragma once

#include <memory>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/formats/source.h"

namespace mlxr::formats {

// Makes its bytes in units of equal size. A read of any range makes the units that it touches.
class UnitSource : public Source {
 public:
  std::uint64_t size() const final { return unit_bytes_ * units_; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const final;

 protected:
  UnitSource(std::uint64_t unit_bytes, std::uint64_t units) : unit_bytes_(unit_bytes), units_(units) {}
  std::uint64_t unit_bytes() const { return unit_bytes_; }

 private:
  // Fills `to` with units from `first` on; it is a whole number of them.
  virtual Result<void> make(std::uint64_t first, std::span<std::byte> to) const = 0;

  std::uint64_t unit_bytes_, units_;
};

// Which rows of a matrix, or values of a vector, are those of a smaller one, and in which order: heads of `head_rows` rows.
struct HeadRows {
  std::int64_t heads = 0, head_rows = 0;
  bool pairs_apart = false;  // rows i and head_rows / 2 + i of a head come one after the other: what is rotated together
  // Where the matrix keeps those of several kinds in turn (InternLM 2): `in_turn` heads of this kind, after `before` rows, in every `every`
  // rows. By default they are the whole matrix.
  std::int64_t in_turn = 0, before = 0, every = 0;
};

// The same tensor, with these rows. `base` must have them.
class HeadRowsSource final : public UnitSource {
 public:
  HeadRowsSource(Tensor base, HeadRows rows);

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;
  Result<void> make_rows(std::int64_t first, std::span<std::byte> to) const;
  Result<void> make_heads(std::int64_t number, std::span<std::byte> to) const;
  std::uint64_t place_of(std::int64_t head) const;  // its first byte in `base`

  Tensor base_;
  HeadRows rows_;
  std::uint64_t row_bytes_;
};

// The values of a small tensor as float32, each plus `added`, or e to the power of each, negated.
class FloatSource final : public UnitSource {
 public:
  FloatSource(Tensor base, float added, bool negative_exp = false)
      : UnitSource(sizeof(float) * base.elements(), 1), base_(std::move(base)), added_(added), negative_exp_(negative_exp) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;

  Tensor base_;
  float added_;
  bool negative_exp_;
};

// Rows of a matrix, or values of a vector, in any order: row i is row order[i] of `base`, which must have it.
class OrderedRowsSource final : public UnitSource {
 public:
  OrderedRowsSource(Tensor base, std::vector<std::int64_t> order)
      : UnitSource(base.bytes / static_cast<std::uint64_t>(base.shape[0]), order.size()),
        base_(std::move(base)),
        order_(std::move(order)) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;

  Tensor base_;
  std::vector<std::int64_t> order_;
};

// A matrix whose columns are in runs of equal length, which come in another order: run i of each row is run order[i] of `base`. The bytes
// of a row must be a multiple of the number of runs.
class OrderedColumnsSource final : public UnitSource {
 public:
  OrderedColumnsSource(Tensor base, std::vector<std::int64_t> order)
      : UnitSource(base.bytes / static_cast<std::uint64_t>(base.shape[0]), static_cast<std::uint64_t>(base.shape[0])),
        base_(std::move(base)),
        order_(std::move(order)) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;

  Tensor base_;
  std::vector<std::int64_t> order_;
};

// Matrices of `rows` rows that lie one after the other in `base`, each transposed. Their type is that of `base`, or F16 where it is packed.
class TransposedSource final : public UnitSource {
 public:
  TransposedSource(Tensor base, std::int64_t rows);

  quant::Type type() const { return type_; }

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;
  // Columns [column, column + count) of a matrix as rows of `to`.
  Result<void> turn_columns(const Tensor& matrix, std::size_t column, std::size_t count, std::span<std::byte> to) const;
  Result<void> turn_decoded(const Tensor& matrix, std::size_t column, std::size_t count, std::span<std::byte> to) const;

  Tensor base_;
  std::int64_t rows_, columns_;
  quant::Type type_;
};

// Every other row of a matrix, from row `first` (0 or 1) on. It must have an even number of rows.
class AlternateRowsSource final : public UnitSource {
 public:
  AlternateRowsSource(Tensor base, std::uint64_t first)
      : UnitSource(base.bytes / static_cast<std::uint64_t>(base.shape[0]), static_cast<std::uint64_t>(base.shape[0] / 2)),
        base_(std::move(base)),
        first_(first) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override;

  Tensor base_;
  std::uint64_t first_;
};

// Tensors of the same type and shape, one after the other.
class StackedSource final : public Source {
 public:
  explicit StackedSource(std::vector<Tensor> parts) : parts_(std::move(parts)) {}

  std::uint64_t size() const override { return parts_[0].bytes * parts_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  std::vector<Tensor> parts_;
};

// Values that were computed.
class ValuesSource final : public Source {
 public:
  explicit ValuesSource(std::vector<float> values) : values_(std::move(values)), memory_(std::as_bytes(std::span(values_))) {}

  std::uint64_t size() const override { return memory_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override { return memory_.read(offset, to); }

 private:
  std::vector<float> values_;
  MemorySource memory_;
};

}  // namespace mlxr::formats
