#include "store/model_details.h"

#include <map>
#include <string>

#include "core/formats/checkpoint.h"
#include "core/formats/printable.h"
#include "platform/files.h"

namespace mlxr::store {
namespace {

// general.file_type, as GGUF's specification numbers it.
std::string_view file_type_name(std::int64_t type) {
  static const std::map<std::int64_t, std::string_view> kNames = {
      {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},
      {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"},
      {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},   {21, "Q2_K_S"}, {32, "BF16"}};
  const auto it = kNames.find(type);
  return it == kNames.end() ? std::string_view() : it->second;
}

std::uint64_t positive(std::optional<std::int64_t> value) { return value && *value > 0 ? static_cast<std::uint64_t>(*value) : 0; }

}  // namespace

Result<void> read_details(ModelRecord& record) {
  const auto checkpoint = formats::Checkpoint::open(record.file);
  if (!checkpoint) return fail(checkpoint.error());
  const auto& metadata = (*checkpoint)->metadata();
  const std::string architecture(metadata.string("general.architecture").value_or(""));
  record.architecture = formats::harmless(architecture);
  record.context_length = positive(metadata.integer(architecture + ".context_length"));
  record.embedding_length = positive(metadata.integer(architecture + ".embedding_length"));

  if (record.license.empty()) record.license = formats::harmless(metadata.string("general.license").value_or(""));

  record.parameters = 0;
  std::map<quant::Type, std::uint64_t> bytes;
  for (const auto& tensor : (*checkpoint)->tensors()) {
    std::uint64_t elements = 1;
    for (const auto length : tensor.shape) elements *= static_cast<std::uint64_t>(length);
    record.parameters += elements;
    bytes[tensor.type] += tensor.data.size();
  }
  record.quantization = file_type_name(metadata.integer("general.file_type").value_or(-1));
  if (record.quantization.empty() && !bytes.empty()) {  // the file does not say: the type that most of it has
    auto most = bytes.begin();
    for (auto it = bytes.begin(); it != bytes.end(); ++it) {
      if (it->second > most->second) most = it;
    }
    record.quantization = quant::traits(most->first).name;
  }
  return {};
}

Result<std::string> read_chat_template(const std::filesystem::path& file) {
  const auto checkpoint = formats::Checkpoint::open(file);
  if (!checkpoint) return fail(checkpoint.error());
  return std::string((*checkpoint)->metadata().string("tokenizer.chat_template").value_or(""));
}

std::filesystem::path license_file(const std::filesystem::path& model) { return model.parent_path() / "LICENSE"; }

std::string read_license(const ModelRecord& record) {
  if (record.in_place) return {};  // what lies beside another's file may be anything
  return platform::read_file(license_file(record.file), 16 << 20).value_or("");
}

}  // namespace mlxr::store
