// Makes the tensors of GGUF from those that a folder's files hold.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/checkpoint.h"
#include "core/formats/folder/config.h"
#include "core/formats/folder/names.h"
#include "core/formats/folder/safetensors.h"

namespace mlxr::formats {

// What a Checkpoint of a folder holds. The tensors refer to the names and sources, and these to the files.
struct BuiltTensors {
  std::deque<std::string> names;
  std::vector<std::unique_ptr<const Source>> sources;
  std::vector<Tensor> tensors;
};

class TensorBuilder {
 public:
  // `folder` begins error messages. `model` must outlive the builder.
  TensorBuilder(const ModelConfig& model, std::string folder) : model_(model), folder_(std::move(folder)) {}

  // Adds a tensor of a file. Errors: kCorrupt (there was one of this name), kUnsupported (a name or a dtype that MLXR does not know).
  Result<void> add(StoredSource stored);
  // Whether a tensor of this module has been added: "model.norm".
  bool has(std::string_view stem) const { return modules_.contains(stem); }
  // All have been added. Errors: kCorrupt (a shape that contradicts the description, a part that is missing), kUnsupported.
  Result<BuiltTensors> finish();

 private:
  // The tensors of one module by the last part of their names: "weight", "bias".
  using Parts = std::map<std::string, StoredSource, std::less<>>;

  Result<void> build(const std::string& stem, const Parts& parts);
  // A tensor, decoded if it is packed: then its scales are among `others`, and the names of those that this takes are added to `used`.
  Result<Tensor> decode(const std::string& stem, const StoredSource& stored, const Parts& others, std::vector<std::string>& used);
  Result<void> build(const MappedName& mapped, Tensor plain, const std::string& stored_name);
  Result<void> split_in_turn(const MappedName& mapped, const Tensor& plain, const std::string& stored_name);
  Result<void> split_gate_and_up(const MappedName& mapped, Tensor plain, const std::string& stored_name);
  bool is_of_mlx() const;
  Result<void> build_stacks();
  Result<Tensor> heads_of(Tensor plain, std::int64_t heads, const std::string& stored_name);
  Result<void> split_keys_and_values(const MappedName& mapped, const Tensor& plain, const std::string& stored_name);
  Result<void> check_own_values() const;
  // A stack of matrices, each transposed.
  Tensor turned(Tensor stack);
  // (channels, 1, taps), or (channels, taps, 1) as MLX has it, without the dimension of one. False for another shape.
  static bool drop_single_channel(Tensor& taps);
  // Of a scan: see Layout. In scan_tensors.cpp.
  Result<void> build_scan(const MappedName& mapped, Tensor plain, const std::string& stored_name);
  // The tensor with its rows in this order. Errors: kCorrupt (it has not `rows`).
  Result<Tensor> ordered(Tensor plain, std::vector<std::int64_t> order, std::int64_t rows, const std::string& stored_name);
  Tensor as_floats(Tensor base, float added);
  Tensor from(std::unique_ptr<const Source> source, quant::Type type, std::vector<std::int64_t> shape);
  void emit(std::string name, Tensor tensor);
  void emit(std::string name, const std::vector<float>& values);
  std::unexpected<Error> wrong_shape(const std::string& stored_name) const;
  std::unexpected<Error> unknown(const std::string& stored_name) const;

  const ModelConfig& model_;
  bool norms_less_one_ = false;  // norms are stored less 1
  std::string folder_;
  std::map<std::string, Parts, std::less<>> modules_;
  std::map<std::string, std::map<std::int64_t, Tensor>> stacks_;  // parts by number, of each tensor of GGUF
  BuiltTensors built_;
};

}  // namespace mlxr::formats
