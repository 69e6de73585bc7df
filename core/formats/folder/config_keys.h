// What is known of the keys of config.json, whatever the type of the model.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "core/formats/folder/config_reader.h"

namespace mlxr::formats {

// A key whose value GGUF has under another name.
struct ConfigKey {
  enum class Kind { kInteger, kNumber, kBoolean };
  std::string_view name, gguf;
  Kind kind = Kind::kInteger;
};
std::span<const ConfigKey> config_keys();

// Notes in `config` the keys of features that MLXR has for none of the families, or that a family always has.
void check_fixed_keys(ConfigReader& config, bool is_encoder);

// Keys that change nothing in a forward pass, or say what the tensors show: notes of programs, settings of training, ids of tokens.
std::span<const std::string_view> harmless_config_keys();

}  // namespace mlxr::formats
