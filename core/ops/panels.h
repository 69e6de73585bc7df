// The memory that holds a model's matrices as the kernel pack streams them ("panels", kernels/abi.h): a file in the cache folder, mapped,
// so that they are made once and later starts only map them. MLX expressions need none.
//
//   auto panels = ops::Panels::open(file, *ops, {.folder = cache, .digest = sha256}).value();
//   auto weight = ops->prepare(tensor, panels->place(tensor));   // fills its place, unless an earlier run did
//   panels->keep();                                              // all are filled: puts the file into the cache, in the background
//
// A file that is being made has a temporary name and gets its own by a rename, when all of it is on the disk: a crash leaves only a
// temporary file, which the next open() removes, and two processes may make the same file. The format: docs/files.md. Where nothing
// can be kept (no folder, no digest, a full disk) the memory is anonymous. Belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "platform/files.h"

namespace mlxr::ops {

class Ops;

struct PanelOptions {
  std::filesystem::path folder;  // empty: nothing is kept
  std::string digest;            // the model file's SHA-256, hexadecimal; empty: nothing is kept
  std::uint64_t limit = 0;       // bytes of all files in the folder: the least recently used go first; 0: no limit
};

// Where the panels of a matrix lie. `filled`: they are there already. Null for a matrix that has none.
struct Place {
  std::shared_ptr<std::byte> memory;
  bool filled = false;
};

class Panels {
 public:
  // Errors: kOverloaded (no memory).
  static Result<std::unique_ptr<Panels>> open(const formats::Checkpoint& file, const Ops& ops, PanelOptions options);
  ~Panels();  // returns when keep() is done

  Place place(const formats::Tensor& tensor) const;
  void keep();
  bool cached() const { return filled_; }                  // an earlier run filled them
  const std::string& problem() const { return problem_; }  // why they will not be kept though they should; empty: nothing is wrong

 private:
  Panels() = default;
  bool map_kept();
  bool map_new();
  void not_kept(std::string_view why);
  void publish() const;
  void trim() const;

  std::unordered_map<std::string_view, std::uint64_t> offsets_;  // of each matrix, from the beginning of the memory
  std::uint64_t size_ = 0;
  std::shared_ptr<std::byte> memory_;
  bool filled_ = false;
  std::string problem_;

  PanelOptions options_;
  std::filesystem::path name_, temporary_;
  platform::FileDescriptor fd_;  // of the temporary file; locked, so that nobody takes it for one that a crash left
  std::thread publisher_;
};

}  // namespace mlxr::ops
