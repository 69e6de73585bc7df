// A Checkpoint is a model file that is open for reading: typed metadata and named tensors.
//
//   auto file = formats::Checkpoint::open("smollm2.gguf");
//   auto* w = (*file)->find("blk.0.attn_q.weight");        // w->shape == {576, 576}, w->type == Type::kQ4_1
//   w->read(0, buffer);                                    // its first bytes
//
// Metadata and names are copied into memory by open(); tensors are read from the file when they are asked for, and never mapped, so that
// a file that another process cuts short is an error and not a SIGBUS. Every offset and size was checked against the file before open()
// returned. Immutable and safe to use from any thread; views live as long as the Checkpoint.
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
#include "core/formats/source.h"
#include "core/quant/type.h"
#include "platform/open_files.h"

namespace mlxr::formats {

struct Tensor {
  std::string_view name;
  quant::Type type = quant::Type::kF32;
  std::vector<std::int64_t> shape;  // row-major, slowest dimension first: a matrix is (rows, columns); GGUF's order reversed
  std::uint64_t offset = 0;         // of its packed rows in `source`, one after the other
  std::uint64_t bytes = 0;          // of all rows
  const Source* source = nullptr;   // null where only the beginning of a file is known
  std::uint64_t run = 0, gap = 0;   // after each `run` bytes of its rows lie `gap` bytes that are not its own; 0: all is its own

  std::uint64_t elements() const;
  // Rows [first, first + count) of a matrix, as a tensor.
  Tensor rows(std::int64_t first, std::int64_t count) const;
  // Of rows [first, …), the first `run` of every `period`, `count` in all.
  Tensor rows_of_each(std::int64_t first, std::int64_t run, std::int64_t period, std::int64_t count) const;
  // Matrix i of a stack of matrices, or row i of a matrix as a vector.
  Tensor at(std::int64_t i) const;
  // Fills `to` with the tensor's bytes from `first` on, which must lie within it. Errors: those of Source::read.
  Result<void> read(std::uint64_t first, std::span<std::byte> to) const;
  // All of its values, decoded. Errors: those of Source::read.
  Result<std::vector<float>> values() const;
};

// Opens what a model at `path` is read from: a GGUF file, all shards of a model where it is one of them (shards.h), or files of the model
// folder. Errors: those of open_gguf_files and FolderFiles::open.
Result<platform::OpenFiles> open_model_files(const std::filesystem::path& path);

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  // Opens a GGUF file (version 2 or 3), all shards of a model where `file` is one of them, or a model folder (folder/folder.h).
  // Errors: kNotFound, kIo, kCorrupt (a sentence with the tensor or key and the offsets), kUnsupported (not GGUF; a version or tensor
  // type that cannot be run, by name).
  static Result<std::shared_ptr<const Checkpoint>> open(const std::filesystem::path& file);
  // The same for the open files of a model: a file, its shards in order, or those of a folder.
  static Result<std::shared_ptr<const Checkpoint>> open(platform::OpenFiles files);

  virtual const Metadata& metadata() const = 0;
  // The metadata alone, which keep neither the Checkpoint nor the file open.
  virtual std::shared_ptr<const Metadata> share_metadata() const = 0;
  virtual std::span<const Tensor> tensors() const = 0;          // in the order of the file, or files
  virtual const Tensor* find(std::string_view name) const = 0;  // nullptr when there is none
  virtual std::uint64_t file_size() const = 0;                  // bytes, of all files
  virtual bool unchanged() const = 0;                           // false: another program wrote to the file after it was opened
};

}  // namespace mlxr::formats
