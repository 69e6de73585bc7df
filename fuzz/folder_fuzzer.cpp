// A model folder in three texts with a zero byte between them: config.json, tokenizer.json, and the tensors as {name: [dtype,
// dimensions…]}. Each is refused with a sentence, or can be read: metadata to their last byte, tensors to theirs, a text in tokens.
#include <cstdint>
#include <set>

#include "core/formats/folder/config.h"
#include "core/formats/folder/tensor_builder.h"
#include "core/formats/folder/vocabulary.h"
#include "core/models/describe.h"
#include "core/text/tokenizer.h"
#include "fuzz/checks.h"

using namespace mlxr;
using namespace mlxr::formats;
using namespace mlxr::fuzz;

namespace {

constexpr std::uint64_t kMostBytes = 1 << 24;  // of all tensors
constexpr std::string_view kText = "Hello, world! ab  aaaa 1234\n\tnaïve 日本語 😀\u0301<|end|>";

// A file of any bytes.
class AnyBytes final : public Source {
 public:
  std::uint64_t size() const override { return kMostBytes; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> to) const override {
    require(offset <= size() && to.size() <= size() - offset);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte>((offset + i) * 0x9E3779B1 >> 16);
    return {};
  }
};

struct NamedDtype {
  Dtype dtype;
  std::uint64_t bytes;  // of a value
};

std::optional<NamedDtype> find_dtype(const std::string& name) {
  constexpr NamedDtype kDtypes[] = {{Dtype::kF32, 4}, {Dtype::kF16, 2}, {Dtype::kBF16, 2}, {Dtype::kF8E4M3, 1},
                                    {Dtype::kU8, 1},  {Dtype::kU32, 4}, {Dtype::kI64, 8}};
  for (const auto& dtype : kDtypes)
    if (name == name_of(dtype.dtype)) return dtype;
  return std::nullopt;
}

// Nothing for what parse_safetensors() would refuse.
std::vector<StoredTensor> tensors_of(const Json& description) {
  std::vector<StoredTensor> tensors;
  std::uint64_t offset = 0;
  if (!description.members()) return {};
  for (const auto& [name, value] : *description.members()) {
    if (!value.items() || value.items()->empty() || !value.items()->front().text()) return {};
    const auto dtype = find_dtype(*value.items()->front().text());
    if (!dtype) return {};
    StoredTensor tensor{.name = name, .dtype = dtype->dtype, .offset = offset, .bytes = dtype->bytes};
    for (const Json& item : std::span(*value.items()).subspan(1)) {
      const auto dim = item.integer().value_or(0);
      if (dim < 1 || std::cmp_greater(dim, kMostBytes)) return {};
      tensor.shape.push_back(dim);
      tensor.bytes *= static_cast<std::uint64_t>(dim);
      if (tensor.bytes > kMostBytes - offset) return {};
    }
    offset += tensor.bytes;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// Its first and its last bytes. They may be of no type: a scale that is not a number.
void read_ends(const Tensor& tensor) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(tensor.bytes, 4096)));
  is_good(tensor.read(0, bytes));
  is_good(tensor.read(tensor.bytes - bytes.size(), bytes));
}

void read_weights(const Json& description, const ModelConfig& config, const Metadata& metadata) {
  const AnyBytes file;
  TensorBuilder builder(config, "folder");
  for (auto& tensor : tensors_of(description)) {
    if (!is_good(builder.add({std::move(tensor), &file}))) return;
  }
  const auto built = builder.finish();
  if (!is_good(built)) return;
  std::set<std::string_view> names;
  for (const auto& tensor : built->tensors) {
    require(quant::row_bytes(tensor.type, tensor.elements()) == tensor.bytes);
    read_ends(tensor);
    if (!names.insert(tensor.name).second) return;
  }
  is_good(models::describe(metadata, built->tensors));
}

void read_text(const Metadata& metadata) {
  const auto tokenizer = text::Tokenizer::from_metadata(metadata);
  if (!is_good(tokenizer)) return;
  for (const auto id : (*tokenizer)->encode(kText, {.add_special = true, .parse_special = true})) {
    require(id >= 0 && id < (*tokenizer)->vocab_size());
    (*tokenizer)->piece(id);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto next = [&](std::string_view name) {
    const auto end = std::min(rest.find('\0'), rest.size());
    auto json = parse_json(rest.substr(0, end), name);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    is_good(json);
    return json;
  };
  const auto config = next("config.json"), tokenizer = next("tokenizer.json"), weights = next("weights");
  OwnedMetadata metadata;
  std::optional<ModelConfig> model;
  if (config) {
    if (auto read = read_config(*config, "config.json", metadata); is_good(read)) model = *std::move(read);
  }
  if (tokenizer) {
    const auto tokens = read_tokens(*tokenizer, "tokenizer.json", model ? model->vocabulary : 0, metadata);
    if (is_good(tokens)) {
      const TokenFiles files{&*tokenizer, &*tokenizer, nullptr, config ? &*config : nullptr};
      if (is_good(read_special_tokens(files, *tokens, metadata))) read_text(metadata.metadata());
    }
  }
  if (model && weights) read_weights(*weights, *model, metadata.metadata());
  touch_all(metadata.metadata());
  return 0;
}
