#include "core/models/weight_reader.h"

#include "core/quant/dequantize.h"

namespace mlxr::models {
namespace {

namespace mx = mlx::core;

std::string text(const std::vector<std::int64_t>& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

}  // namespace

const formats::Tensor* WeightReader::find(const std::string& name, const std::vector<std::int64_t>& shape) {
  if (error_) return nullptr;
  const auto* tensor = file_.find(name);
  if (!tensor) {
    error_ = Error{ErrorCode::kCorrupt, "The model has no tensor " + name + "."};
  } else if (tensor->shape != shape) {
    error_ = Error{ErrorCode::kCorrupt,
                   "Tensor " + name + " has the shape " + text(tensor->shape) + "; the model's description asks for " + text(shape) + "."};
  }
  return error_ ? nullptr : tensor;
}

ops::Weight WeightReader::matrix(const std::string& stem, int n, int k) {
  const auto* tensor = find(stem + ".weight", {n, k});
  if (!tensor) return {};
  auto weight = ops_.prepare(*tensor, panels_);
  file_.forget(*tensor);
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
  std::vector<float> values(n);
  quant::dequantize_row(tensor->type, tensor->data.data(), values.data(), values.size());
  return mx::array(values.data(), mx::Shape{n}, mx::float32);
}

std::optional<mx::array> WeightReader::optional_vector(const std::string& name, int n) {
  if (!has(name)) return std::nullopt;
  return vector(name, n);
}

}  // namespace mlxr::models
