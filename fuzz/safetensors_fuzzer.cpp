// Any bytes as a safetensors file: refused with a sentence, or the tensors cover its data.
#include <cstdint>
#include <set>

#include "core/formats/folder/safetensors.h"
#include "fuzz/checks.h"

using namespace mlxr::formats;
using namespace mlxr::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemorySource source(std::as_bytes(std::span(data, size)));
  const auto tensors = parse_safetensors(source, "fuzzed.safetensors");
  if (!tensors) {
    require(tensors.error().message.starts_with("fuzzed.safetensors ") && tensors.error().message.ends_with("."));
    return 0;
  }
  std::set<std::string_view> names;
  std::uint64_t end = tensors->empty() ? size : tensors->front().offset;
  for (const auto& tensor : *tensors) {
    require(names.insert(tensor.name).second);
    require(tensor.offset == end && tensor.bytes > 0);
    end += tensor.bytes;
  }
  require(end == size);
  return 0;
}
