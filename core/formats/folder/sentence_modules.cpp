#include "core/formats/folder/sentence_modules.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "core/formats/folder/config_reader.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMean = 1, kFirst = 2, kLast = 3;  // GGUF's kinds of pooling

struct PoolingMode {
  std::string_view flag, name;
  std::int64_t kind;
};
constexpr PoolingMode kModes[] = {
    {"pooling_mode_cls_token", "cls", kFirst},
    {"pooling_mode_mean_tokens", "mean", kMean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", kMean},  // the same direction
    {"pooling_mode_lasttoken", "lasttoken", kLast},
};
constexpr std::string_view kNoModes[] = {"word_embedding_dimension", "include_prompt", "pooling_mode", "embedding_dimension"};

// Nothing for a mode that MLXR does not have, and for several at once.
std::optional<std::int64_t> pooling_of(const Json& config) {
  std::optional<std::int64_t> kind;
  const auto* named = config.find("pooling_mode");
  for (const auto& mode : kModes)
    if (named && named->text() && *named->text() == mode.name) kind = mode.kind;
  if (named || !config.members()) return kind;
  for (const auto& [name, value] : *config.members()) {
    if (std::ranges::find(kNoModes, name) != std::end(kNoModes) || value.boolean() != true) continue;
    const auto mode = std::ranges::find(kModes, name, &PoolingMode::flag);
    if (mode == std::end(kModes) || kind) return std::nullopt;
    kind = mode->kind;
  }
  return kind;
}

std::string text_of(const Json& object, std::string_view name) {
  const auto* text = object.find(name);
  return text && text->text() ? *text->text() : "";
}

std::unexpected<Error> lacks(const FolderFiles& folder, std::string_view name) {
  return damaged(folder.path().string(), "it does not have the file " + FolderFiles::path_within(name).string());
}

struct Modules {
  bool pooled = false;
  std::vector<DenseFiles> dense;  // behind the pooling
};

// What comes in another order, or is not here, would change an embedding.
Result<Modules> read_modules(const Json& list, const std::string& file) {
  if (!list.items()) return damaged(file, "it is not a list of modules");
  Modules modules;
  bool is_normal = false;
  for (const auto& module : *list.items()) {
    const auto type = text_of(module, "type"), path = text_of(module, "path"), last = type.substr(type.rfind('.') + 1);
    const auto refuse = [&](const std::string& why) {
      return fail(ErrorCode::kUnsupported, "MLXR cannot run models with the module " + printable(type) + why + " yet (" + file + ").");
    };
    if (last == "Transformer") continue;
    if (last == "Normalize") {
      is_normal = true;
    } else if (last == "Pooling" && !modules.pooled) {
      if (path != kPoolingFile) return refuse(" in " + printable(path));
      modules.pooled = true;
    } else if (last == "Dense") {
      auto& dense = modules.dense;
      if (!modules.pooled || is_normal || dense.size() == std::size(kDenseFiles)) return refuse(" at this place");
      dense.push_back(kDenseFiles[dense.size()]);
      if (path != dense.back().config) return refuse(" in " + printable(path));
    } else {
      return refuse("");
    }
  }
  return modules;
}

// Checks that a layer is a matrix, and perhaps a bias.
Result<void> check_dense(const FolderFiles& folder, const DenseFiles& files) {
  const auto within = FolderFiles::path_within(files.config);
  const auto json = folder.read_json(files.config);
  if (!json) return fail(json.error());
  if (!*json) return lacks(folder, files.config);
  ConfigReader config(&**json, (folder.path() / within).string());
  constexpr std::string_view kIdentity = "torch.nn.modules.linear.Identity", kRow = "sentence_embedding";
  const auto expect = [&](std::string_view key, std::string_view value, bool may_be_absent) {
    const auto* text = config.text(key);
    if (text ? *text != value : !may_be_absent) config.note(ErrorCode::kUnsupported, key, text ? printable(*text) : "missing");
  };
  expect("activation_function", kIdentity, false);
  expect("module_input_name", kRow, true);
  expect("module_output_name", kRow, true);
  if (config.boolean("use_residual") == true) config.note(ErrorCode::kUnsupported, "use_residual", "true");
  constexpr std::string_view kOfTensors[] = {"bias", "in_features", "out_features"};  // the tensors show it
  return config.finish(kOfTensors);
}

}  // namespace

Result<std::vector<DenseFiles>> read_sentence_modules(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata) {
  Modules modules;
  const auto list = folder.read_json(kModulesFile);
  if (!list) return fail(list.error());
  if (*list) {
    auto read = read_modules(**list, (folder.path() / kModulesFile).string());
    if (!read) return fail(read.error());
    modules = *std::move(read);
  }
  const auto config = folder.read_json(kPoolingFile);
  if (!config) return fail(config.error());
  if (model.scores) return std::vector<DenseFiles>();
  if (!*config && modules.pooled) return lacks(folder, kPoolingFile);
  if (!*config) return modules.dense;
  const auto kind = pooling_of(**config);
  if (!kind) {
    return fail(ErrorCode::kUnsupported, "MLXR cannot pool embeddings as " +
                                             (folder.path() / FolderFiles::path_within(kPoolingFile)).string() +
                                             " asks for: it takes the mean, the first or the last row.");
  }
  metadata.add(std::string(model.type->architecture) + ".pooling_type", *kind);
  for (const auto& files : modules.dense) {
    if (auto known = check_dense(folder, files); !known) return fail(known.error());
  }
  return modules.dense;
}

Result<void> add_dense_layer(const FolderFiles& folder, const DenseFiles& files, const FileSource& source, TensorBuilder& builder) {
  auto stored = parse_safetensors(source, (folder.path() / FolderFiles::path_within(files.weights)).string());
  if (!stored) return fail(std::move(stored.error()));
  for (auto& tensor : *stored) {
    tensor.name = std::string(files.config) + "." + tensor.name;
    if (auto added = builder.add({std::move(tensor), &source}); !added) return added;
  }
  return {};
}

void add_dense_widths(const BuiltTensors& built, const ModelConfig& model, OwnedMetadata& metadata) {
  if (model.type->architecture != "gemma-embedding") return;
  for (const std::string name : {"dense_2", "dense_3"}) {
    const auto matrix = std::ranges::find(built.tensors, name + ".weight", &Tensor::name);
    if (matrix == built.tensors.end() || matrix->shape.size() != 2) continue;
    metadata.add(std::string(model.type->architecture) + "." + name + "_feat_in", matrix->shape[1]);
    metadata.add(std::string(model.type->architecture) + "." + name + "_feat_out", matrix->shape[0]);
  }
}

}  // namespace mlxr::formats
