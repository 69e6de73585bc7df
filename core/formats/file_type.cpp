#include "core/formats/file_type.h"

#include <algorithm>
#include <map>

namespace mlxr::formats {
namespace {

// llama_ftype of llama.cpp's llama.h, which general.file_type holds.
constexpr std::pair<int, std::string_view> kFileTypes[] = {
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},
    {9, "Q5_1"},    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"},
    {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},   {21, "Q2_K_S"}, {32, "BF16"},
};

}  // namespace

std::string file_type_name(const Checkpoint& file) {
  if (const auto number = file.metadata().integer("general.file_type")) {
    for (const auto& [value, name] : kFileTypes) {
      if (value == *number) return std::string(name);
    }
  }
  std::map<quant::Type, std::uint64_t> bytes;
  for (const auto& tensor : file.tensors()) {
    if (tensor.shape.size() > 1) bytes[tensor.type] += tensor.bytes;
  }
  if (bytes.empty()) return "unknown";
  const auto most = std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return std::string(quant::traits(most->first).name);
}

}  // namespace mlxr::formats
