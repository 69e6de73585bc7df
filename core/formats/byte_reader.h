// A cursor over bytes that nobody has checked yet. Every read says whether it fitted; a read that did not moves nothing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace mlxr::formats {

static_assert(std::endian::native == std::endian::little, "GGUF numbers are read as they lie in the file");

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  template <typename T>
  [[nodiscard]] bool read(T& out) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    if (remaining() < sizeof(T)) return false;
    std::memcpy(&out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  // The next `length` bytes as text: a view, no copy.
  [[nodiscard]] bool read(std::string_view& out, std::uint64_t length) {
    if (length > remaining()) return false;
    out = {reinterpret_cast<const char*>(bytes_.data()) + position_, static_cast<std::size_t>(length)};
    position_ += static_cast<std::size_t>(length);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace mlxr::formats
