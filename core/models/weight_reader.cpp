#include "core/models/weight_reader.h"

#include <mlx/ops.h>

#include "core/formats/printable.h"

namespace mlxr::models {

namespace mx = mlx::core;

bool WeightReader::has_ended() {
  if (!error_ && cancelled_ != nullptr && *cancelled_) error_ = Error{ErrorCode::kCancelled, "The load was cancelled."};
  return error_.has_value();
}

const formats::Tensor* WeightReader::find(const std::string& name) {
  if (has_ended()) return nullptr;
  const auto* tensor = file_.find(name);
  if (tensor) read_.insert(tensor);
  return tensor;
}

Result<void> WeightReader::finish(const ModelSpec& spec) const {
  if (error_) return fail(*error_);
  for (const auto& tensor : file_.tensors()) {
    if (!read_.contains(&tensor) && !is_harmless(spec, tensor.name))
      return fail(ErrorCode::kInternal, "MLXR did not read the tensor " + formats::printable(tensor.name) + " of this model.");
  }
  return {};
}

ops::WeightPtr WeightReader::matrix(Role role, int layer) {
  const auto* binding = bindings_.find(role, layer);
  const auto* tensor = binding ? find(binding->tensor) : nullptr;
  if (!tensor) return nullptr;
  const auto biases = values_of(binding->bias);
  std::vector<float> bias;
  if (!biases.empty())
    for (const auto row : binding->rows_of_part()) bias.push_back(biases[row]);
  return prepare(binding->part_of(*tensor), bias);
}

std::vector<ops::WeightPtr> WeightReader::matrices(Role role, int layer) {
  const auto* binding = bindings_.find(role, layer);
  const auto* tensor = binding ? find(binding->tensor) : nullptr;
  if (!tensor) return {};
  const auto biases = values_of(binding->bias);
  const auto rows = static_cast<std::size_t>(binding->rows);
  std::vector<ops::WeightPtr> all;
  for (int i = 0; i < binding->experts; ++i) {
    const auto first = static_cast<std::size_t>(i) * rows;
    all.push_back(
        prepare(binding->part_of(tensor->at(i)), biases.empty() ? std::span<const float>() : std::span(biases).subspan(first, rows)));
  }
  return all;
}

ops::WeightPtr WeightReader::prepare(const formats::Tensor& matrix, std::span<const float> bias) {
  if (has_ended()) return nullptr;
  auto made = ops_.prepare(matrix, bias, panels_);
  if (!made) error_ = made.error();
  return error_ ? nullptr : *made;
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

std::optional<mx::array> WeightReader::vector(Role role, int layer, float scale) { return array_of(values(role, layer), scale); }

std::optional<mx::array> WeightReader::bias(Role role, int layer, float scale) {
  const auto* binding = bindings_.find(role, layer);
  return binding ? array_of(values_of(binding->bias), scale) : std::nullopt;
}

std::optional<mx::array> WeightReader::array_of(std::vector<float> values, float scale) const {
  if (values.empty()) return std::nullopt;
  for (auto& value : values) value *= scale;
  return mx::astype(mx::array(values.data(), mx::Shape{static_cast<int>(values.size())}, mx::float32), ops_.activation_type());
}

}  // namespace mlxr::models
