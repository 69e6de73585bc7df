// Opens GGUF files and model folders and reads a byte of every page of every tensor: `gguf_dump FILE...`. One line a file, "ok ..." or
// "CODE: sentence". Exits 0 when all could be opened, 1 when one was refused; hostile_test.py knows that anything else is a crash.
#include <chrono>
#include <iostream>

#include "core/formats/checkpoint.h"

namespace {

// The sum makes the reads happen.
unsigned touch(const mlxr::formats::Tensor& tensor) {
  constexpr std::uint64_t kPage = 4096;
  unsigned sum = 0;
  const auto add = [&](std::uint64_t at) {
    std::byte byte{};
    if (tensor.read(at, {&byte, 1})) sum += std::to_integer<unsigned>(byte);
  };
  add(tensor.bytes - 1);
  for (std::uint64_t i = 0; i < tensor.bytes; i += kPage) add(i);
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  bool all_opened = true;
  for (int i = 1; i < argc; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto file = mlxr::formats::Checkpoint::open(argv[i]);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (!file) {
      std::cout << mlxr::error_code_name(file.error().code) << ": " << file.error().message << "\n";
      all_opened = false;
      continue;
    }
    unsigned sum = 0;
    for (const auto& tensor : (*file)->tensors()) sum += touch(tensor);
    std::cout << "ok " << (*file)->metadata().all().size() << " keys, " << (*file)->tensors().size() << " tensors, sum " << sum
              << ", opened in " << took.count() << " ms\n";
  }
  return all_opened ? 0 : 1;
}
