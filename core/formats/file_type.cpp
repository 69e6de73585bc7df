#include "core/formats/file_type.h"

#include <algorithm>
#include <map>

namespace mlxr::formats {
namespace {

// llama_ftype of llama.cpp's llama.h, which general.file_type holds. Numbers that are missing are of types that GGUF no longer has.
constexpr std::pair<int, std::string_view> kFileTypes[] = {
    {0, "F32"},     {1, "F16"},     {2, "Q4_0"},     {3, "Q4_1"},    {7, "Q8_0"},       {8, "Q5_0"},    {9, "Q5_1"},
    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},  {13, "Q3_K_L"}, {14, "Q4_K_S"},    {15, "Q4_K_M"}, {16, "Q5_K_S"},
    {17, "Q5_K_M"}, {18, "Q6_K"},   {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"},    {22, "IQ3_XS"}, {23, "IQ3_XXS"},
    {24, "IQ1_S"},  {25, "IQ4_NL"}, {26, "IQ3_S"},   {27, "IQ3_M"},  {28, "IQ2_S"},     {29, "IQ2_M"},  {30, "IQ4_XS"},
    {31, "IQ1_M"},  {32, "BF16"},   {36, "TQ1_0"},   {37, "TQ2_0"},  {38, "MXFP4_MOE"}, {39, "NVFP4"},  {40, "Q1_0"},
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
