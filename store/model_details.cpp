#include "store/model_details.h"

#include <cstdio>
#include <string>

#include "core/formats/checkpoint.h"
#include "core/formats/file_type.h"
#include "core/formats/printable.h"
#include "core/formats/sampling_advice.h"
#include "core/models/runnable.h"
#include "platform/files.h"

namespace mlxr::store {
namespace {

std::uint64_t positive(std::optional<std::int64_t> value) { return value && *value > 0 ? static_cast<std::uint64_t>(*value) : 0; }

Result<std::shared_ptr<const formats::Checkpoint>> open_checkpoint(const platform::OpenFiles& files) {
  auto own = files.duplicate();
  return own ? formats::Checkpoint::open(std::move(*own)) : fail(own.error());
}

std::string as_text(int number) { return std::to_string(number); }

// "0.7" for the float32 nearest to it.
std::string as_text(float number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(number));
  return text;
}

}  // namespace

Result<void> read_details(ModelRecord& record) {
  const auto files = formats::open_model_files(record.file);
  return files ? read_details(record, *files) : fail(files.error());
}

Result<void> read_details(ModelRecord& record, const platform::OpenFiles& files) {
  const auto checkpoint = open_checkpoint(files);
  if (!checkpoint) return fail(checkpoint.error());
  const auto& metadata = (*checkpoint)->metadata();
  if (auto runs = models::check_runnable(metadata, (*checkpoint)->tensors(), record.file.string()); !runs) return fail(runs.error());
  const std::string architecture(metadata.string("general.architecture").value_or(""));
  record.architecture = formats::harmless(architecture);
  record.context_length = positive(metadata.integer(architecture + ".context_length"));
  record.embedding_length = positive(metadata.integer(architecture + ".embedding_length"));

  if (record.license.empty()) record.license = formats::harmless(metadata.string("general.license").value_or(""));

  record.quantization = formats::file_type_name(**checkpoint);
  record.parameters = 0;
  for (const auto& tensor : (*checkpoint)->tensors()) record.parameters += tensor.elements();
  return {};
}

Result<std::string> read_chat_template(const platform::OpenFiles& files) {
  const auto checkpoint = open_checkpoint(files);
  if (!checkpoint) return fail(checkpoint.error());
  return std::string((*checkpoint)->metadata().string("tokenizer.chat_template").value_or(""));
}

Result<std::vector<NamedValue>> read_sampling(const platform::OpenFiles& files) {
  const auto checkpoint = open_checkpoint(files);
  if (!checkpoint) return fail(checkpoint.error());
  const auto advice = formats::read_sampling_advice((*checkpoint)->metadata()).values;
  std::vector<NamedValue> values;
  const auto add = [&](const char* name, const auto& value) {
    if (value) values.push_back({name, as_text(*value)});
  };
  add("temperature", advice.temperature);
  add("top_k", advice.top_k);
  add("top_p", advice.top_p);
  add("min_p", advice.min_p);
  add("repeat_penalty", advice.repeat_penalty);
  add("repeat_last_n", advice.repeat_last_n);
  return values;
}

std::filesystem::path license_file(const std::filesystem::path& model) { return model.parent_path() / "LICENSE"; }

std::string read_license(const ModelRecord& record) {
  if (record.in_place) return {};  // a file beside the user's own model need not be a license
  return platform::read_file(license_file(record.file), 16 << 20).value_or("");
}

}  // namespace mlxr::store
