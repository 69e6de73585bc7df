// The name that people give a quantized file: "Q4_K_M", "Q8_0".
#pragma once

#include <string>

#include "core/formats/checkpoint.h"

namespace mlxr::formats {

// From general.file_type if the file has it, otherwise the type that most of its matrix values have.
std::string file_type_name(const Checkpoint& file);

}  // namespace mlxr::formats
