#include "store/safetensors_writer.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include <nlohmann/json.hpp>

namespace mlxr::store {

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& file, std::span<const formats::StoredTensor> tensors) {
  nlohmann::ordered_json header{{"__metadata__", {{"format", "mlx"}}}};
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    header[tensor.name] = {
        {"dtype", formats::name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes}}};
    offset += tensor.bytes;
  }
  auto text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length += static_cast<char>(std::uint64_t{text.size()} >> shift & 0xff);

  platform::FileDescriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return fail(platform::os_error(errno, "Cannot create " + file.string()));
  SafetensorsWriter writer(file, std::move(fd));
  for (const auto& part : {length, text}) {
    if (auto done = writer.append(std::as_bytes(std::span(part))); !done) return fail(done.error());
  }
  return writer;
}

Result<void> SafetensorsWriter::append(std::span<const std::byte> bytes) {
  return platform::write_all(fd_.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file_);
}

Result<void> SafetensorsWriter::finish() { return platform::sync_to_disk(fd_.get(), file_); }

}  // namespace mlxr::store
