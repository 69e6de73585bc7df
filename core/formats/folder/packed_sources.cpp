#include "core/formats/folder/packed_sources.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/formats/folder/decoded_sources.h"
#include "core/formats/folder/small_floats.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"
#include "core/quant/dequantize.h"
#include "core/quant/half.h"

namespace mlxr::formats {
namespace {

using quant::Type;

constexpr std::int64_t kBlock = 32;  // values in a block of Q4_1, Q5_1 and MXFP4
constexpr std::int64_t kNvfp4Block = 64;

std::unexpected<Error> too_large(const std::string& name) {
  return fail(ErrorCode::kUnsupported, "MLXR cannot run this model: tensor " + printable(name) +
                                           " holds a value that is not a number, or above 65504, which half precision cannot hold.");
}

std::unexpected<Error> misfit(const std::string& name) {
  return fail(ErrorCode::kCorrupt, "The model is damaged: the scales of tensor " + printable(name) + " do not fit its shape.");
}

void put_half(std::byte* to, std::uint16_t half) { std::memcpy(to, &half, sizeof half); }

// Rows of a stored tensor, a slice of a file.
struct Rows {
  StoredSource stored;
  std::uint64_t row_bytes = 0;

  explicit Rows(const StoredSource& source)
      : stored(source), row_bytes(source.tensor.bytes / static_cast<std::uint64_t>(source.tensor.shape[0])) {}

  Result<std::vector<std::byte>> read(std::uint64_t first, std::uint64_t count) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(count * row_bytes));
    if (auto done = stored.file->read(stored.tensor.offset + first * row_bytes, bytes); !done) return fail(std::move(done.error()));
    return bytes;
  }
};

Result<std::vector<float>> read_floats(const Rows& rows, std::uint64_t first, std::uint64_t count) {
  const auto bytes = rows.read(first, count);
  if (!bytes) return fail(bytes.error());
  const auto type = float_type(rows.stored.tensor.dtype).value_or(Type::kF32);
  std::vector<float> values(bytes->size() / quant::traits(type).block_bytes);
  quant::dequantize_row(type, bytes->data(), values.data(), values.size());
  return values;
}

// The values of a row whose bits follow one another from the lowest on, one value in a byte.
void unpack(const std::byte* packed, std::int64_t bits, std::span<std::uint8_t> values) {
  std::uint32_t held = 0;
  std::int64_t count = 0;
  for (auto& value : values) {
    for (; count < bits; count += 8) held |= static_cast<std::uint32_t>(*packed++) << count;
    value = static_cast<std::uint8_t>(held & ((1u << bits) - 1));
    held >>= bits;
    count -= bits;
  }
}

// A block of Q4_1: scale, bias, 16 bytes with values i and 16 + i. Q5_1 has the fifth bits of all before the bytes.
void write_block(const std::uint8_t* values, std::uint16_t scale, std::uint16_t bias, bool fifth, std::byte* to) {
  put_half(to, scale);
  put_half(to + 2, bias);
  to += 4;
  if (fifth) {
    std::uint32_t high = 0;
    for (unsigned i = 0; i < kBlock; ++i) high |= static_cast<std::uint32_t>(values[i] >> 4) << i;
    std::memcpy(to, &high, sizeof high);
    to += sizeof high;
  }
  for (std::size_t i = 0; i < kBlock / 2; ++i) to[i] = static_cast<std::byte>((values[i] & 15) | (values[i + kBlock / 2] & 15) << 4);
}

class MlxSource final : public UnitSource {
 public:
  MlxSource(const MlxPacking& packing, Type type, std::int64_t columns, Rows weight, Rows scales, std::optional<Rows> biases,
            std::string name)
      : UnitSource(quant::row_bytes(type, static_cast<std::size_t>(columns)), static_cast<std::uint64_t>(weight.stored.tensor.shape[0])),
        packing_(packing),
        type_(type),
        columns_(columns),
        weight_(std::move(weight)),
        scales_(std::move(scales)),
        biases_(std::move(biases)),
        name_(std::move(name)) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override {
    const auto count = to.size() / unit_bytes();
    const auto packed = weight_.read(first, count);
    if (!packed) return fail(packed.error());
    const auto scales = read_scales(first, count);
    if (!scales) return fail(scales.error());
    const auto biases = biases_ ? read_floats(*biases_, first, count) : std::vector<float>();
    if (!biases) return fail(biases.error());
    std::vector<std::uint8_t> values(static_cast<std::size_t>(columns_));
    const auto groups = static_cast<std::size_t>(columns_ / packing_.group);
    for (std::size_t row = 0; row < count; ++row) {
      unpack(packed->data() + row * weight_.row_bytes, packing_.bits, values);
      const auto of_row = [&](const std::vector<float>& all) {
        return all.empty() ? std::span<const float>() : std::span(all).subspan(row * groups, groups);
      };
      const auto made = to.subspan(row * unit_bytes(), static_cast<std::size_t>(unit_bytes()));
      if (auto done = write_row(values, of_row(*scales), of_row(*biases), made); !done) return done;
    }
    return {};
  }

  Result<std::vector<float>> read_scales(std::uint64_t first, std::uint64_t count) const {
    if (packing_.mode == MlxMode::kAffine) return read_floats(scales_, first, count);
    const auto bytes = scales_.read(first, count);
    if (!bytes) return fail(bytes.error());
    std::vector<float> scales;
    for (const auto byte : *bytes) {
      const auto bits = std::to_integer<std::uint8_t>(byte);
      scales.push_back(packing_.mode == MlxMode::kNvfp4 ? e4m3_to_f32(bits) : e8m0_to_f32(bits));
    }
    return scales;
  }

  Result<void> write_row(const std::vector<std::uint8_t>& values, std::span<const float> scales, std::span<const float> biases,
                         std::span<std::byte> to) const {
    if (type_ != Type::kQ4_1 && type_ != Type::kQ5_1) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto group = i / static_cast<std::size_t>(packing_.group);
        const float value =
            biases.empty() ? scales[group] * small_float(values[i]) : scales[group] * static_cast<float>(values[i]) + biases[group];
        if (type_ == Type::kF16 && !(std::fabs(value) < 65520)) return too_large(name_);
        put_half(to.data() + 2 * i, type_ == Type::kF16 ? quant::f32_to_f16(value) : quant::f32_to_bf16(value));
      }
      return {};
    }
    const auto block_bytes = quant::traits(type_).block_bytes;
    for (std::size_t block = 0; block * kBlock < values.size(); ++block) {
      const auto group = block * kBlock / static_cast<std::size_t>(packing_.group);
      if (!(std::fabs(scales[group]) < 65520 && std::fabs(biases[group]) < 65520)) return too_large(name_);
      write_block(values.data() + block * kBlock, quant::f32_to_f16(scales[group]), quant::f32_to_f16(biases[group]), type_ == Type::kQ5_1,
                  to.data() + block * block_bytes);
    }
    return {};
  }

  float small_float(std::uint8_t bits) const { return packing_.mode == MlxMode::kMxfp8 ? e4m3_to_f32(bits) : e2m1_to_f32(bits); }

  MlxPacking packing_;
  Type type_;
  std::int64_t columns_;
  Rows weight_, scales_;
  std::optional<Rows> biases_;
  std::string name_;
};

// MXFP4 and NVFP4 in the blocks of GGUF: the scales of a block's groups, then the values of each group, i and half a group + i in a byte.
class SmallFloatBlocks final : public UnitSource {
 public:
  SmallFloatBlocks(const MlxPacking& packing, Type type, std::int64_t columns, Rows weight, Rows scales, std::string name)
      : UnitSource(quant::row_bytes(type, static_cast<std::size_t>(columns)), static_cast<std::uint64_t>(weight.stored.tensor.shape[0])),
        type_(type),
        group_(static_cast<std::size_t>(packing.group)),
        columns_(columns),
        weight_(std::move(weight)),
        scales_(std::move(scales)),
        name_(std::move(name)) {}

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override {
    const auto count = to.size() / unit_bytes();
    const auto packed = weight_.read(first, count), scales = scales_.read(first, count);
    if (!packed) return fail(packed.error());
    if (!scales) return fail(scales.error());
    if (!std::ranges::all_of(*scales, [&](std::byte scale) { return is_scale(scale); })) return too_large(name_);
    std::vector<std::uint8_t> values(static_cast<std::size_t>(columns_));
    for (std::size_t row = 0; row < count; ++row) {
      unpack(packed->data() + row * weight_.row_bytes, 4, values);
      write_row(values, std::span(*scales).subspan(row * scales_.row_bytes, scales_.row_bytes), to.data() + row * unit_bytes());
    }
    return {};
  }

  // False for what GGUF's types do not have: a negative scale, and one that is no number.
  bool is_scale(std::byte scale) const { return scale < (type_ == Type::kMXFP4 ? std::byte{0xff} : std::byte{0x7f}); }

  void write_row(const std::vector<std::uint8_t>& values, std::span<const std::byte> scales, std::byte* out) const {
    const auto of_block = quant::traits(type_).block_size / group_;
    for (std::size_t group = 0; group < scales.size(); ++group) {
      if (group % of_block == 0) out = std::ranges::copy(scales.subspan(group, of_block), out).out;
      const auto* value = values.data() + group * group_;
      for (std::size_t i = 0; i < group_ / 2; ++i) *out++ = static_cast<std::byte>(value[i] | value[group_ / 2 + i] << 4);
    }
  }

  Type type_;
  std::size_t group_;  // values with one scale
  std::int64_t columns_;
  Rows weight_, scales_;
  std::string name_;
};

class Fp8Source final : public UnitSource {
 public:
  Fp8Source(Rows weight, std::optional<Rows> scale, std::int64_t block_rows, std::int64_t block_columns)
      : UnitSource(2 * weight.row_bytes, static_cast<std::uint64_t>(weight.stored.tensor.shape[0])),
        weight_(std::move(weight)),
        scale_(std::move(scale)),
        block_rows_(static_cast<std::uint64_t>(block_rows)),
        block_columns_(static_cast<std::uint64_t>(block_columns)) {
    for (std::size_t byte = 0; byte < values_.size(); ++byte) values_[byte] = e4m3_to_f32(static_cast<std::uint8_t>(byte));
  }

 private:
  Result<void> make(std::uint64_t first, std::span<std::byte> to) const override {
    const auto count = to.size() / unit_bytes();
    const auto packed = weight_.read(first, count);
    if (!packed) return fail(packed.error());
    const auto first_scale = first / block_rows_, last_scale = (first + count - 1) / block_rows_;
    const auto scales =
        scale_ ? read_floats(*scale_, first_scale, last_scale - first_scale + 1) : std::vector<float>(last_scale - first_scale + 1, 1.0f);
    if (!scales) return fail(scales.error());
    const auto of_row = scales->size() / (last_scale - first_scale + 1);
    for (std::uint64_t row = 0; row < count; ++row) {
      const float* scale = scales->data() + ((first + row) / block_rows_ - first_scale) * of_row;
      for (std::uint64_t i = 0; i < weight_.row_bytes; ++i) {
        const auto at = row * weight_.row_bytes + i;
        const float value = values_[std::to_integer<std::uint8_t>((*packed)[at])] * scale[i / block_columns_];
        put_half(to.data() + 2 * at, quant::f32_to_bf16(value));
      }
    }
    return {};
  }

  Rows weight_;
  std::optional<Rows> scale_;  // a row for each `block_rows_` rows, a value for each `block_columns_` columns
  std::uint64_t block_rows_, block_columns_;
  std::array<float, 256> values_;
};

std::optional<MlxMode> mode_of(std::string_view name) {
  constexpr std::pair<std::string_view, MlxMode> kModes[] = {
      {"affine", MlxMode::kAffine}, {"mxfp4", MlxMode::kMxfp4}, {"nvfp4", MlxMode::kNvfp4}, {"mxfp8", MlxMode::kMxfp8}};
  const auto* mode = std::ranges::find(kModes, name, &std::pair<std::string_view, MlxMode>::first);
  return mode == std::end(kModes) ? std::nullopt : std::optional(mode->second);
}

bool exists(const MlxPacking& p) {
  switch (p.mode) {
    case MlxMode::kAffine: return p.bits >= 2 && p.bits <= 8 && p.bits != 7 && (p.group == 32 || p.group == 64 || p.group == 128);
    case MlxMode::kMxfp4: return p.bits == 4 && p.group == 32;
    case MlxMode::kNvfp4: return p.bits == 4 && p.group == 16;
    case MlxMode::kMxfp8: return p.bits == 8 && p.group == 32;
  }
  return false;
}

// The matrices of a stack, one below the other.
StoredSource as_matrix(const StoredSource& stored) {
  auto matrix = stored;
  auto& shape = matrix.tensor.shape;
  if (shape.size() == 3) shape = {shape[0] * shape[1], shape[2]};
  return matrix;
}

Type type_of(const MlxPacking& packing, std::int64_t columns) {
  if (packing.mode == MlxMode::kMxfp4) return Type::kMXFP4;
  if (packing.mode == MlxMode::kNvfp4 && columns % kNvfp4Block == 0) return Type::kNVFP4;
  if (packing.mode != MlxMode::kAffine) return Type::kBF16;
  if (packing.bits <= 4) return Type::kQ4_1;
  return packing.bits == 5 ? Type::kQ5_1 : Type::kF16;
}

}  // namespace

std::optional<Type> float_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32: return Type::kF32;
    case Dtype::kF16: return Type::kF16;
    case Dtype::kBF16: return Type::kBF16;
    default: return std::nullopt;
  }
}

Result<std::optional<MlxPacking>> mlx_packing(const Json* quantization, const std::string& module) {
  const auto* own = quantization ? quantization->find(module) : nullptr;
  if (own && own->boolean() == false) return std::nullopt;
  const auto* said = own && own->members() ? own : quantization;
  if (!said || !said->find("bits") || !said->find("group_size")) return std::nullopt;
  const auto* mode = said->find("mode");  // a module's own packing is affine where it does not say its mode, whatever the others are
  const std::string mode_name = mode && mode->text() ? *mode->text() : "affine";
  const auto known = mode_of(mode_name);
  const MlxPacking packing{known.value_or(MlxMode::kAffine), said->find("bits")->integer().value_or(0),
                           said->find("group_size")->integer().value_or(0)};
  if (known && exists(packing)) return packing;
  return fail(ErrorCode::kUnsupported, "MLXR does not know the quantization of " + printable(module) + ": mode " + printable(mode_name) +
                                           ", " + std::to_string(packing.bits) + " bits, groups of " + std::to_string(packing.group) + ".");
}

Result<Decoded> decode_mlx(const MlxPacking& packing, const StoredSource& stored, const StoredSource* stored_scales,
                           const StoredSource* stored_biases, const std::string& name) {
  const bool affine = packing.mode == MlxMode::kAffine;
  auto shape = stored.tensor.shape;
  if (!stored_scales || affine != (stored_biases != nullptr) || (shape.size() != 2 && shape.size() != 3)) return misfit(name);
  const auto weight = as_matrix(stored), scales = as_matrix(*stored_scales);
  const auto biases = stored_biases ? std::optional(as_matrix(*stored_biases)) : std::nullopt;
  const auto rows = weight.tensor.shape[0];
  const auto bits = static_cast<std::int64_t>(weight.tensor.bytes / static_cast<std::uint64_t>(rows)) * 8;
  const auto columns = bits / packing.bits;
  const auto fits = [&](const StoredSource& part, const StoredSource& as_stored) {
    return part.tensor.shape == std::vector{rows, columns / packing.group} && as_stored.tensor.shape.size() == shape.size() &&
           (affine ? float_type(part.tensor.dtype).has_value() : part.tensor.dtype == Dtype::kU8);
  };
  if (columns % packing.group != 0 || columns * packing.bits != bits || !fits(scales, *stored_scales) ||
      (biases && !fits(*biases, *stored_biases)))
    return misfit(name);
  const auto type = type_of(packing, columns);
  shape.back() = columns;
  if (type == Type::kMXFP4 || type == Type::kNVFP4)
    return Decoded{type, std::move(shape), std::make_unique<SmallFloatBlocks>(packing, type, columns, Rows(weight), Rows(scales), name)};
  return Decoded{type, std::move(shape),
                 std::make_unique<MlxSource>(packing, type, columns, Rows(weight), Rows(scales),
                                             biases ? std::optional<Rows>(*biases) : std::nullopt, name)};
}

Result<Decoded> decode_mxfp4_blocks(const StoredSource& blocks, const StoredSource* scales, const std::string& name) {
  constexpr std::int64_t kBytes = 16;
  auto rows = blocks;
  auto& shape = rows.tensor.shape;
  if (rows.tensor.dtype != Dtype::kU8 || shape.size() < 3 || shape.back() != kBytes) return misfit(name);
  shape.pop_back();
  shape.back() *= kBytes;
  return decode_mlx({.mode = MlxMode::kMxfp4, .bits = 4, .group = kBlock}, rows, scales, nullptr, name);
}

Result<Decoded> decode_fp8(const StoredSource& weight, const StoredSource* scale, std::int64_t block, const std::string& name) {
  if (weight.tensor.shape.size() != 2) return misfit(name);
  const auto rows = weight.tensor.shape[0], columns = weight.tensor.shape[1];
  auto block_rows = rows, block_columns = columns;  // one scale for all
  std::optional<Rows> scales;
  if (scale) {
    auto stored = *scale;
    auto& shape = stored.tensor.shape;
    if (!float_type(stored.tensor.dtype)) return misfit(name);
    if (shape.empty()) shape = {1};
    const auto blocks = [&](std::int64_t n) { return block > 0 ? (n + block - 1) / block : 0; };
    if (block > 0 && shape == std::vector{blocks(rows), blocks(columns)}) {
      block_rows = block_columns = block;
    } else if (shape[0] == rows && (shape.size() == 1 || (shape.size() == 2 && shape[1] == 1))) {
      block_rows = 1;
    } else if (!std::ranges::all_of(shape, [](std::int64_t dim) { return dim == 1; })) {
      return misfit(name);
    }
    scales.emplace(stored);
  }
  return Decoded{Type::kBF16, weight.tensor.shape, std::make_unique<Fp8Source>(Rows(weight), std::move(scales), block_rows, block_columns)};
}

}  // namespace mlxr::formats
