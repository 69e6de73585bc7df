// Which tensors an MLX folder has, under the names and in the form of mlx-lm's classes, and what they are made of.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/formats/folder/config.h"
#include "core/formats/folder/names.h"
#include "core/formats/folder/packed_sources.h"
#include "core/formats/folder/safetensors.h"

namespace mlxr::store {

// A tensor of the input, and those that it becomes: itself, or bits, scales and perhaps biases.
struct MlxTensorPlan {
  formats::Tensor source;
  formats::Dtype dtype = formats::Dtype::kF32;
  std::vector<formats::StoredTensor> made;

  bool is_packed() const { return made.size() > 1; }
  std::size_t columns() const { return source.shape.empty() ? 1 : static_cast<std::size_t>(source.shape.back()); }
  std::size_t rows() const { return static_cast<std::size_t>(source.elements()) / columns(); }
  std::uint64_t bytes() const;
};

class MlxFolderPlanner {
 public:
  // `model` describes the folder, and `checkpoint` is the same in the words of GGUF. Both must outlive the plans.
  MlxFolderPlanner(const formats::ModelConfig& model, const formats::Checkpoint& checkpoint, const formats::MlxPacking& packing)
      : model_(model), checkpoint_(checkpoint), packing_(packing) {}

  // Plans what a tensor of the folder becomes; some become one with others. False: it is packed already.
  bool add(const formats::StoredSource& stored);

  std::vector<MlxTensorPlan> take() { return std::move(plans_); }
  std::uint64_t left() const { return left_; }  // matrices whose rows are not a multiple of a group, and stay as they are

 private:
  // A tensor that GGUF has in the form of mlx-lm, once, under mlx-lm's name of its module. It is packed if it is a matrix.
  void add_from_gguf(const std::string& gguf, const std::string& module);
  void add_experts(const formats::MappedName& mapped, const std::string& stem);
  // `module` is the name without ".weight" of a matrix that may be packed; empty for all else.
  void add(const formats::Tensor& source, const std::string& module, const std::string& name);
  // The name that mlx-lm has for a tensor or a module of the folder.
  std::string renamed(std::string_view name) const;

  const formats::ModelConfig& model_;
  const formats::Checkpoint& checkpoint_;
  const formats::MlxPacking& packing_;
  std::set<std::string> from_gguf_;  // that are planned
  std::vector<MlxTensorPlan> plans_;
  std::uint64_t left_ = 0;
};

}  // namespace mlxr::store
