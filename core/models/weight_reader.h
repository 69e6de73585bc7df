// Reads tensors by name from a checkpoint that check_tensors() has accepted, and remembers the first error.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <unordered_set>

#include "core/formats/checkpoint.h"
#include "core/ops/ops.h"

namespace mlxr::models {

class WeightReader {
 public:
  // Once `cancelled`, which may be null, is true, nothing more is read: the error is kCancelled.
  WeightReader(const formats::Checkpoint& file, const ops::Ops& ops, ops::Panels& panels, const std::atomic<bool>* cancelled)
      : file_(file), ops_(ops), panels_(panels), cancelled_(cancelled) {}

  // The matrix `<stem>.weight`, (n, k), with the bias `<stem>.bias` if the file has one.
  ops::Weight matrix(const std::string& stem, int n, int k);
  // (n) float32
  mlx::core::array vector(const std::string& name, int n);
  std::optional<mlx::core::array> optional_vector(const std::string& name, int n);
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  // The first error. Everything that was read after it is empty.
  const std::optional<Error>& error() const { return error_; }
  // Call it when all is read. Errors: the first one, if any; kInternal (a tensor of the file was not read).
  Result<void> finish() const;

 private:
  const formats::Tensor* find(const std::string& name, const std::vector<std::int64_t>& shape);

  const formats::Checkpoint& file_;
  const ops::Ops& ops_;
  ops::Panels& panels_;
  const std::atomic<bool>* const cancelled_;
  std::unordered_set<const formats::Tensor*> read_;
  std::optional<Error> error_;
};

}  // namespace mlxr::models
