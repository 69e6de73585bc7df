// The memory for a model's matrices in the layout that the kernel pack reads ("panels", kernels/abi.h). It is a mapped file in the cache
// folder, so that a matrix is repacked once and later loads only map the file. MLX expressions need no panels.
//
//   auto panels = ops::Panels::open(tensors, *ops, {.folder = cache, .digest = sha256}).value();
//   auto weight = ops->prepare(tensor, *panels);   // makes those of a tensor, unless an earlier run did
//   panels->keep();                                // all are made: puts the file into the cache, in the background
//
// A new file has a temporary name until all of it is on the disk, and is then renamed. So a crash leaves only a temporary file, which the
// next open() removes, and two processes may make the same file. Each matrix has a CRC-32C, which is checked before a kept file is used;
// a file that does not match is made again. The format: docs/files.md.
//
// The file is written with write() and not through the mapping: the kernel would first clear each page that is written through a mapping,
// and would stop the writing thread at each page that it is writing back at that moment (measured: docs/performance.md). If nothing can
// be kept (no folder, no digest, a full disk), the memory is anonymous. A Panels belongs to one thread, except in write().
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
};

class Panels {
 public:
  // A tensor may be rows of one in the file. Errors: kOverloaded (no memory), kCancelled.
  static Result<std::unique_ptr<Panels>> open(std::span<const formats::Tensor> tensors, const Ops& ops, PanelOptions options);
  ~Panels();  // returns when keep() is done

  // Where the panels of a tensor are, or will be once they are written. Null if the tensor has none.
  std::shared_ptr<const std::byte> find(const formats::Tensor& tensor) const;
  bool cached() const { return cached_; }  // an earlier load made them: all can be read
  // Writes a piece of a tensor's panels, from byte `at` of them on; each byte once. Several threads may write at the same time.
  // Errors: kNoSpace, kIo, kCancelled.
  Result<void> write(const formats::Tensor& tensor, std::uint64_t at, std::span<const std::byte> piece);
  bool write_failed() const { return write_failed_; }
  // Puts the file into the cache once it is on the disk. A file in which panels are missing is not kept.
  void keep();
  const std::string& problem() const { return problem_; }  // why they cannot be kept although they should be; empty: no problem

 private:
  struct Piece {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };
  struct Matrix {
    std::uint64_t offset = 0;  // from the beginning of the memory
    std::uint64_t bytes = 0;
    std::map<std::uint64_t, Piece> written;  // by where they begin

    bool is_whole() const;
    std::uint32_t crc() const;  // of a whole one
  };

  Panels() = default;
  bool map_kept();
  bool map_new();
  bool matches(const std::vector<std::uint32_t>& checksums) const;
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
