// Packs a matrix as MLX does (mx.quantize), row by row: bits, and a scale and a bias for each group of columns. decode_mlx() reads it.
//
//   affine: value = scale * bits + bias, where the value with the largest magnitude of a group is met exactly.
//   mxfp4:  value = scale * E2M1, where the scale is the smallest power of two with which the largest magnitude fits (OCP Microscaling).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/formats/folder/packed_sources.h"
#include "core/formats/folder/safetensors.h"

namespace mlxr::formats {

// A packed row. `scales` and `biases` have a value for each group in the type that MlxEncoder was given; mxfp4 has bytes, and no biases.
struct MlxRow {
  std::span<std::byte> bits, scales, biases;
};

class MlxEncoder {
 public:
  // `packing` is affine or mxfp4; `columns` are a multiple of its group. `type` is that of affine scales and biases: F32, F16 or BF16.
  MlxEncoder(const MlxPacking& packing, std::size_t columns, Dtype type) : packing_(packing), columns_(columns), type_(type) {}

  // Bytes of a row.
  std::size_t bits_bytes() const { return columns_ * static_cast<std::size_t>(packing_.bits) / 8; }
  std::size_t scales_bytes() const { return columns_ / group() * scale_bytes(); }
  std::size_t biases_bytes() const { return packing_.mode == MlxMode::kAffine ? scales_bytes() : 0; }
  Dtype scales_type() const { return packing_.mode == MlxMode::kAffine ? type_ : Dtype::kU8; }

  // The values must be numbers. May be called from any thread.
  void encode(std::span<const float> values, const MlxRow& to) const;

 private:
  std::size_t group() const { return static_cast<std::size_t>(packing_.group); }
  std::size_t scale_bytes() const { return scales_type() == Dtype::kU8 ? 1 : scales_type() == Dtype::kF32 ? 4 : 2; }
  void encode_affine(std::span<const float> values, std::size_t group, std::uint8_t* bits, const MlxRow& to) const;
  void encode_mxfp4(std::span<const float> values, std::size_t group, std::uint8_t* bits, const MlxRow& to) const;
  void put(float value, std::byte* to) const;

  MlxPacking packing_;
  std::size_t columns_;
  Dtype type_;
};

}  // namespace mlxr::formats
