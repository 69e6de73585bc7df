// A file with random weights for any description: every tensor that the description asks for.
#pragma once

#include <map>
#include <random>

#include "core/formats/gguf_writer.h"
#include "core/models/bindings.h"
#include "core/quant/quantize.h"
#include "tests/core/formats/gguf_builder.h"

namespace mlxr::models {

// The weights depend on their role and layer alone. Vectors are around 1, and rates negative.
inline void write_made_up_model(const std::filesystem::path& path, const Bindings& bindings) {
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  for (const auto& [key, binding] : bindings.all()) {
    auto& [shape, values] = tensors[binding.tensor];
    shape = binding.shape;
    const auto columns = static_cast<std::size_t>(shape.size() > 1 ? shape.back() : 1);
    values.resize(static_cast<std::size_t>(binding.experts > 0 ? shape[0] * shape[1] : shape[0]) * columns);
    std::mt19937 random(static_cast<unsigned>(100 * key.first + static_cast<int>(key.second)));
    std::uniform_real_distribution<float> real(-0.5, 0.5);
    auto rows = binding.rows_of_part();
    for (std::size_t i = rows.size(); i < static_cast<std::size_t>(std::max(1, binding.experts)) * static_cast<std::size_t>(binding.rows);
         ++i)
      rows.push_back(i);
    for (const auto row : rows)
      for (std::size_t i = 0; i < columns; ++i)
        values[row * columns + i] = (real(random) + (columns == 1 ? 1.0f : 0.0f)) * (key.second == Role::kRates ? -1.0f : 1.0f);
  }
  std::vector<formats::TensorPlan> plans;
  for (const auto& [name, tensor] : tensors) plans.push_back({name, quant::Type::kF32, tensor.first});
  const auto keys = formats::GgufBuilder().key("general.architecture", std::string("made up")).bytes();
  auto writer = formats::GgufWriter::create(path, formats::gguf_pairs(std::as_bytes(std::span(keys))), plans, 32).value();
  for (const auto& [name, tensor] : tensors) writer.append(std::as_bytes(std::span(tensor.second))).value();
  writer.finish().value();
}

}  // namespace mlxr::models
