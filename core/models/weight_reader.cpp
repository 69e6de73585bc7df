#include "core/models/weight_reader.h"

#include "core/formats/printable.h"
#include "core/models/tensors.h"

namespace mlxr::models {

namespace mx = mlx::core;

const formats::Tensor* WeightReader::find(const std::string& name, const std::vector<std::int64_t>& shape) {
  if (!error_ && cancelled_ != nullptr && *cancelled_) error_ = Error{ErrorCode::kCancelled, "The load was cancelled."};
  if (error_) return nullptr;
  const auto* tensor = file_.find(name);
  if (!tensor || tensor->shape != shape) {
    error_ = Error{ErrorCode::kCorrupt, "The model has no tensor " + name + " of the shape that its description asks for."};
    return nullptr;
  }
  read_.insert(tensor);
  return tensor;
}

Result<void> WeightReader::finish() const {
  if (error_) return fail(*error_);
  for (const auto& tensor : file_.tensors()) {
    if (!read_.contains(&tensor) && tensor.name != "rope_freqs.weight" && !is_harmless(tensor.name))
      return fail(ErrorCode::kInternal, "MLXR did not read the tensor " + formats::printable(tensor.name) + " of this model.");
  }
  return {};
}

ops::Weight WeightReader::matrix(const std::string& stem, int n, int k) {
  const auto* tensor = find(stem + ".weight", {n, k});
  if (!tensor) return {};
  auto weight = ops_.prepare(*tensor, panels_);
  if (!weight) {
    error_ = weight.error();
    return {};
  }
  weight->bias = optional_vector(stem + ".bias", n);
  return *weight;
}

mx::array WeightReader::vector(const std::string& name, int n) {
  const auto* tensor = find(name, {n});
  if (!tensor) return mx::array(0.0f);
  const auto values = tensor->values();
  if (!values) {
    error_ = values.error();
    return mx::array(0.0f);
  }
  return mx::array(values->data(), mx::Shape{n}, mx::float32);
}

std::optional<mx::array> WeightReader::optional_vector(const std::string& name, int n) {
  if (!has(name)) return std::nullopt;
  return vector(name, n);
}

}  // namespace mlxr::models
