// Reads the tensors of a model by their roles, from a file that check_tensors() has accepted, and remembers the first error.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/models/bindings.h"
#include "core/ops/ops.h"

namespace mlxr::models {

class WeightReader {
 public:
  // All must outlive it. Once `cancelled`, which may be null, is true, nothing more is read: the error is kCancelled.
  WeightReader(const formats::Checkpoint& file, const Bindings& bindings, const ops::Ops& ops, ops::Panels& panels,
               const std::atomic<bool>* cancelled)
      : file_(file), bindings_(bindings), ops_(ops), panels_(panels), cancelled_(cancelled) {}

  // A matrix with its bias, if the file has one. Null if the model has no such role, or the file does not have its tensor.
  ops::WeightPtr matrix(Role role, int layer);
  // The matrices of a stack. Empty where matrix() is null.
  std::vector<ops::WeightPtr> matrices(Role role, int layer);
  // (n), in the type of activations, times `scale`. Nothing if the model has no such role.
  std::optional<mlx::core::array> vector(Role role, int layer, float scale = 1);
  // The same of a norm's bias. Nothing if it has none.
  std::optional<mlx::core::array> bias(Role role, int layer, float scale = 1);
  // The values of a vector. Empty if the model has no such role, or the file does not have its tensor.
  std::vector<float> values(Role role, int layer);

  // Of the tensor that plays a role; the model must have it.
  const std::string& name_of(Role role, int layer) const { return bindings_.find(role, layer)->tensor; }

  // The first error. Everything that was read after it is empty.
  const std::optional<Error>& error() const { return error_; }
  // Call it when all is read. Errors: the first one, if any; kInternal (a tensor of the file was not read).
  Result<void> finish(const ModelSpec& spec) const;

 private:
  // True once something has failed, or the load was cancelled.
  bool has_ended();
  // Null if the file does not have it, or something has failed.
  const formats::Tensor* find(const std::string& name);
  std::vector<float> values_of(const std::string& name);
  ops::WeightPtr prepare(const formats::Tensor& matrix, std::span<const float> bias);
  std::optional<mlx::core::array> array_of(std::vector<float> values, float scale) const;

  const formats::Checkpoint& file_;
  const Bindings& bindings_;
  const ops::Ops& ops_;
  ops::Panels& panels_;
  const std::atomic<bool>* const cancelled_;
  std::unordered_set<const formats::Tensor*> read_;
  std::optional<Error> error_;
};

}  // namespace mlxr::models
