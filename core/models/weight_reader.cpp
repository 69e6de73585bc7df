#include "core/models/weight_reader.h"

#include <mlx/ops.h>

#include "core/formats/printable.h"

namespace mlxr::models {

namespace mx = mlx::core;

const formats::Tensor* WeightReader::find(const std::string& name) {
  if (!error_ && cancelled_ != nullptr && *cancelled_) error_ = Error{ErrorCode::kCancelled, "The load was cancelled."};
  if (error_) return nullptr;
  const auto* tensor = file_.find(name);
  if (tensor) read_.insert(tensor);
  return tensor;
}

Result<void> WeightReader::finish() const {
  if (error_) return fail(*error_);
  for (const auto& tensor : file_.tensors()) {
    if (!read_.contains(&tensor) && !is_harmless(tensor.name))
      return fail(ErrorCode::kInternal, "MLXR did not read the tensor " + formats::printable(tensor.name) + " of this model.");
  }
  return {};
}

ops::WeightPtr WeightReader::matrix(Role role, int layer) {
  const auto* binding = bindings_.find(role, layer);
  if (!binding) return nullptr;
  auto& whole = whole_[binding->tensor];
  if (!whole) {
    const auto* tensor = find(binding->tensor);
    if (!tensor) return nullptr;
    auto made = ops_.prepare(*tensor, values_of(binding->bias), panels_);
    if (!made) error_ = made.error();
    if (error_) return nullptr;
    whole = *made;
  }
  if (binding->rows == whole->n) return whole;
  auto part = ops_.rows(whole, binding->first_row, binding->rows);
  if (!part) error_ = part.error();
  return error_ ? nullptr : *part;
}

std::vector<float> WeightReader::values_of(const std::string& name) {
  const auto* tensor = find(name);
  if (!tensor) return {};
  auto values = tensor->values();
  if (!values) error_ = values.error();
  return error_ ? std::vector<float>() : *std::move(values);
}

std::vector<float> WeightReader::values(Role role, int layer) {
  const auto* binding = bindings_.find(role, layer);
  return binding ? values_of(binding->tensor) : std::vector<float>();
}

std::optional<mx::array> WeightReader::vector(Role role, int layer) {
  const auto values = this->values(role, layer);
  if (values.empty()) return std::nullopt;
  return mx::astype(mx::array(values.data(), mx::Shape{static_cast<int>(values.size())}, mx::float32), ops_.activation_type());
}

}  // namespace mlxr::models
