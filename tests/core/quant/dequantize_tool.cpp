// Reads packed blocks on stdin and writes their values on stdout as raw floats: `dequantize_tool TYPE_NUMBER < blocks > floats`.
// dequantize_test.py compares the output with PyPI gguf's.
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "core/quant/dequantize.h"

int main(int argc, char** argv) {
  const auto type = mlxr::quant::from_number(argc == 2 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : ~0u);
  if (!type) {
    std::cerr << "usage: dequantize_tool TYPE_NUMBER < blocks > floats\n";
    return 2;
  }
  const std::string blocks{std::istreambuf_iterator<char>(std::cin), {}};
  const mlxr::quant::Traits& block = mlxr::quant::traits(*type);
  std::vector<float> values(blocks.size() / block.block_bytes * block.block_size);
  mlxr::quant::dequantize_row(*type, reinterpret_cast<const std::byte*>(blocks.data()), values.data(), values.size());
  std::cout.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  return std::cout.flush() ? 0 : 1;
}
