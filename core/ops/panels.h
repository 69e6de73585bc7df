// The memory for a model's matrices in the layout that the kernel pack reads ("panels", kernels/abi.h). It is a mapped file in the cache
// folder, so that a matrix is repacked once and later loads only map the file. MLX expressions need no panels.
//
//   auto panels = ops::Panels::open(tensors, *ops, {.folder = cache, .digest = sha256}).value();
//   auto weight = ops->prepare(tensor, *panels);   // makes those of a tensor, unless an earlier run did
//   panels->keep();                                // all are made: puts the file into the cache, in the background
//
// A new file has a temporary name until all of it is on the disk, and is then renamed. So a crash leaves only a temporary file, which the
// next open() removes, and two processes may make the same file. Each matrix has a CRC-32C, which is checked before a kept file is used
// for the first time in a process (checked_files.h); a file that does not match is made again. The format: docs/files.md.
//
// The file is written with write() and not through the mapping: the kernel would first clear each page that is written through a mapping,
// and would stop the writing thread at each page that it is writing back at that moment (measured: docs/performance.md). If nothing can
// be kept (no folder, no digest, a full disk), the memory is anonymous. A Panels belongs to one thread, except in write().
//
// Of a model that is larger than memory some matrices are paged: those of experts. The system has the memory back as soon as it needs it,
// and their pages are read from the file when a token needs them (Ops::experts). Such a model is never in anonymous memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "platform/files.h"

namespace mlxr::ops {

class Ops;

struct PanelOptions {
  std::filesystem::path folder;                  // empty: nothing is kept
  std::string digest;                            // the model file's SHA-256, hexadecimal; empty: nothing is kept
  std::uint64_t limit = 0;                       // bytes of all files in the folder: the least recently used go first; 0: no limit
  const std::atomic<bool>* cancelled = nullptr;  // once it is true, open() and write() end with kCancelled; nothing else reads it
  std::vector<formats::Tensor> paged = {};       // of the tensors, those whose panels are paged
};

class Panels {
 public:
  // A tensor may be rows of one in the file. Errors: kOverloaded (no memory), kCancelled, kNoSpace (some are paged, and they cannot be
  // kept).
  static Result<std::unique_ptr<Panels>> open(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options);
  // Whether open() would keep them within the limit, as far as can be known before: a file that is kept already needs no more room.
  // Errors: kNoSpace, kUnsupported (no place to keep them, or no panels: MLX expressions have none); the sentence says why.
  static Result<void> can_keep(std::span<const formats::Tensor> tensors, const Ops& ops, const PanelOptions& options);
  ~Panels();  // returns when keep() is done

  // Where the panels of a tensor are, or will be once they are written. Null if the tensor has none.
  std::shared_ptr<const std::byte> find(const formats::Tensor& tensor) const;
  bool cached() const { return cached_; }  // an earlier load made them: all can be read
  // Whether the panels of a tensor, which has some, are paged.
  bool is_paged(const formats::Tensor& tensor) const { return matrix_of(tensor).paged; }
  // Writes a piece of a tensor's panels, from byte `at` of them on; each byte once. Several threads may write at the same time.
  // Errors: kNoSpace, kIo, kCancelled.
  Result<void> write(const formats::Tensor& tensor, std::uint64_t at, std::span<const std::byte> piece);
  bool write_failed() const { return write_failed_; }
  // Puts the file into the cache once it is on the disk. A file in which panels are missing is not kept.
  void keep();
  const std::string& problem() const { return problem_; }  // says why they are not kept although they should be; empty: no problem

 private:
  struct Piece {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };
  struct Matrix {
    std::uint64_t offset = 0;  // from the beginning of the memory
    std::uint64_t bytes = 0;
    bool paged = false;
    std::map<std::uint64_t, Piece> written = {};  // by where they begin

    bool is_whole() const;
    std::uint32_t crc() const;  // of a whole one
  };

  Panels(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options);
  const Matrix& matrix_of(const formats::Tensor& tensor) const { return matrices_[index_.find({tensor.source, tensor.offset})->second]; }
  std::uint64_t file_bytes() const;
  bool map_kept();
  bool map_new();
  void begin_paging() const;
  bool matches(int fd, const std::vector<std::uint32_t>& checksums) const;
  Result<void> check_cancelled() const;
  void not_kept(std::string_view why);
  void publish() const;
  void trim() const;

  std::mutex writing_;                                                             // guards what write() changes
  std::vector<Matrix> matrices_;                                                   // in the order of the tensors
  std::map<std::pair<const formats::Source*, std::uint64_t>, std::size_t> index_;  // of each, by where its tensor begins
  std::uint64_t size_ = 0;                                                         // of all panels
  std::shared_ptr<std::byte> memory_;
  bool cached_ = false;
  bool write_failed_ = false;
  std::string problem_;

  PanelOptions options_;
  std::filesystem::path name_, temporary_;
  platform::FileDescriptor fd_;  // of the temporary file; locked, so that no process takes it for one that a crash left
  std::thread publisher_;
};

}  // namespace mlxr::ops
