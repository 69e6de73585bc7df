// Any bytes as a GGUF file: refused with a sentence, or every view into it can be read. And as the beginning of a long one, as while it is
// downloaded: refused with a sentence, or a model that runs.
#include <cstdint>
#include <set>

#include <mlxrunner/can_run.h>

#include "core/formats/gguf.h"
#include "fuzz/checks.h"

using namespace mlxr::formats;
using namespace mlxr::fuzz;

namespace {

constexpr std::uint64_t kLong = std::uint64_t{1} << 40;  // bytes

void check(const GgufContents& contents, std::span<const std::byte> file) {
  touch_all(contents.metadata);
  std::set<std::string_view> names;
  for (const Tensor& tensor : contents.tensors) {
    require(names.insert(tensor.name).second);
    require(!tensor.shape.empty() && tensor.bytes != 0);
    require(tensor.offset <= file.size() && tensor.bytes <= file.size() - tensor.offset);
    std::uint64_t elements = 1;
    for (const auto dim : tensor.shape) elements *= static_cast<std::uint64_t>(dim);
    require(mlxr::quant::row_bytes(tensor.type, elements) == tensor.bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  const MemorySource source(file);
  const auto contents = parse_gguf(source, "fuzzed.gguf");
  if (contents) {
    check(*contents, file);
  } else {
    require(contents.error().message.starts_with("fuzzed.gguf ") && contents.error().message.ends_with("."));
  }
  if (const auto runs = mlxr::can_run(file, kLong, "fuzzed.gguf")) is_good(*runs);
  return 0;
}
