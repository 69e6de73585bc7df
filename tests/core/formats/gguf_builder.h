// Writes GGUF files for tests, right ones and wrong ones: nothing here checks anything.
//
//   auto file = GgufBuilder().key("general.name", "tiny").tensor("w", {32, 2}, 2, 0).data(36).bytes();
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace mlxr::formats {

enum : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };  // value types of GGUF

// Little-endian bytes, appended one field at a time.
class Bytes {
 public:
  template <typename T>
    requires std::is_arithmetic_v<T>
  Bytes& add(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    std::memcpy(out_.data() + at, &value, sizeof value);
    return *this;
  }
  Bytes& add(std::string_view raw) {
    out_ += raw;
    return *this;
  }
  Bytes& text(std::string_view s) { return add(std::uint64_t{s.size()}).add(s); }
  const std::string& str() const { return out_; }

 private:
  std::string out_;
};

class GgufBuilder {
 public:
  GgufBuilder& version(std::uint32_t v) { return version_ = v, *this; }
  GgufBuilder& alignment(std::uint32_t a) { return alignment_ = a, *this; }  // of the padding; the key is not written

  // A key with a value already in GGUF's encoding, after its type.
  GgufBuilder& raw_key(std::string_view name, std::uint32_t type, std::string_view value) {
    keys_.text(name).add(type).add(value);
    ++n_keys_;
    return *this;
  }
  template <typename T>
  GgufBuilder& key(std::string_view name, std::uint32_t type, T value) {
    return raw_key(name, type, Bytes().add(value).str());
  }
  GgufBuilder& key(std::string_view name, std::string_view value) { return raw_key(name, kString, Bytes().text(value).str()); }

  // Dimensions in GGUF's order, fastest first.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& dims, std::uint32_t type, std::uint64_t offset) {
    tensors_.text(name).add(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) tensors_.add(dim);
    tensors_.add(type).add(offset);
    ++n_tensors_;
    return *this;
  }
  GgufBuilder& data(std::size_t n_bytes) { return n_data_ = n_bytes, *this; }

  std::string bytes() const {
    Bytes file;
    file.add("GGUF").add(version_).add(n_tensors_).add(n_keys_).add(keys_.str()).add(tensors_.str());
    std::string out = file.str();
    out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_);
    for (std::size_t i = 0; i < n_data_; ++i) out += static_cast<char>(i);
    return out;
  }

 private:
  std::uint32_t version_ = 3;
  std::uint32_t alignment_ = 32;
  std::uint64_t n_keys_ = 0;
  std::uint64_t n_tensors_ = 0;
  std::size_t n_data_ = 0;
  Bytes keys_;
  Bytes tensors_;
};

}  // namespace mlxr::formats
