// A cursor over bytes that nobody has checked yet. Every read says whether it fitted; a read that did not moves nothing.
//
// The bytes may be only the beginning of a longer file: then a read that leaves them, but would fit the file, also sets needs_more().
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
  explicit ByteReader(std::span<const std::byte> bytes) : ByteReader(bytes, bytes.size()) {}
  ByteReader(std::span<const std::byte> head, std::uint64_t file_size) : bytes_(head), file_size_(file_size) {}

  std::size_t position() const { return position_; }
  std::uint64_t remaining() const { return file_size_ - position_; }  // to the end of the file
  bool needs_more() const { return needs_more_; }

  template <typename T>
  [[nodiscard]] bool read(T& out) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    if (!has(sizeof(T))) return false;
    std::memcpy(&out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  // The next `length` bytes as text: a view, no copy.
  [[nodiscard]] bool read(std::string_view& out, std::uint64_t length) {
    if (!has(length)) return false;
    out = {reinterpret_cast<const char*>(bytes_.data()) + position_, static_cast<std::size_t>(length)};
    position_ += static_cast<std::size_t>(length);
    return true;
  }

 private:
  bool has(std::uint64_t length) {
    if (length <= bytes_.size() - position_) return true;
    needs_more_ |= length <= remaining();
    return false;
  }

  std::span<const std::byte> bytes_;
  std::uint64_t file_size_;
  std::size_t position_ = 0;
  bool needs_more_ = false;
};

}  // namespace mlxr::formats
