// Two texts with a zero byte between them as config.json and tokenizer.json: refused with a sentence, or metadata whose views can be read.
#include <cstdint>

#include "core/formats/folder/config.h"
#include "core/formats/folder/names.h"
#include "core/formats/folder/vocabulary.h"
#include "fuzz/checks.h"

using namespace mlxr::formats;
using namespace mlxr::fuzz;

namespace {

template <typename T>
bool is_read(const mlxr::Result<T>& result) {
  if (!result) require(!result.error().message.empty() && result.error().message.ends_with("."));
  return result.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto between = std::min(input.find('\0'), size);
  const auto config = parse_json(input.substr(0, between), "config.json");
  const auto tokenizer = parse_json(input.substr(std::min(between + 1, size)), "tokenizer.json");
  OwnedMetadata metadata;
  std::int64_t count = 0;
  if (is_read(config)) {
    const auto model = read_config(*config, "config.json", metadata);
    if (is_read(model)) {
      count = model->vocabulary;
      require(map_name("model.layers.0.self_attn.q_proj", ".weight", *model)->name == "blk.0.attn_q.weight");
    }
  }
  if (is_read(tokenizer)) {
    const auto tokens = read_tokens(*tokenizer, "tokenizer.json", count, metadata);
    if (is_read(tokens)) {
      const TokenFiles files{&*tokenizer, &*tokenizer, nullptr, config ? &*config : nullptr};
      is_read(read_special_tokens(files, "folder", *tokens, metadata));
    }
  }
  touch_all(metadata.metadata());
  return 0;
}
