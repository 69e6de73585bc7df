// A Checkpoint is a read-only view of a model file: typed metadata and named tensors, straight from the mapped file.
//
//   auto file = formats::Checkpoint::open("smollm2.gguf");
//   auto* w = (*file)->find("blk.0.attn_q.weight");        // w->shape == {576, 576}, w->type == Type::kQ4_1
//
// Every offset and size was checked against the file before open() returned; nothing that a file says can make a reader of
// the Checkpoint leave the mapping. Immutable and safe to use from any thread; views live as long as the Checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/metadata.h"
#include "core/quant/type.h"

namespace mlxr::formats {

struct Tensor {
  std::string_view name;
  quant::Type type;
  std::vector<std::int64_t> shape;  // row-major, slowest dimension first: a matrix is (rows, columns); GGUF's order reversed
  std::span<const std::byte> data;  // packed rows, one after the other
};

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  // Opens a GGUF file (version 2 or 3).
  // Errors: kNotFound, kIo, kCorrupt (a sentence with the tensor or key and the offsets), kUnsupported (not GGUF; a version or tensor
  // type that cannot be run, by name).
  static Result<std::shared_ptr<const Checkpoint>> open(const std::filesystem::path& file);

  virtual const Metadata& metadata() const = 0;
  virtual std::span<const Tensor> tensors() const = 0;          // in the order of the file
  virtual const Tensor* find(std::string_view name) const = 0;  // nullptr when there is none
  virtual std::uint64_t file_size() const = 0;                  // bytes
  // Says that a tensor's bytes need not stay in memory. They can be read again: they come from the file then.
  virtual void forget(const Tensor&) const {}
};

}  // namespace mlxr::formats
