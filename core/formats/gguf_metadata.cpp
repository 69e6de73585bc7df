#include <type_traits>
#include <utility>

#include "core/formats/gguf.h"

namespace mlxr::formats {
namespace {

enum ValueType : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

// Calls f with a value of the C++ type that stores a fixed-size number or bool (as uint8_t); false when there is no such type.
template <typename F>
bool with_number_type(std::uint32_t type, F f) {
  switch (type) {
    case kU8: f(std::uint8_t{}); return true;
    case kI8: f(std::int8_t{}); return true;
    case kU16: f(std::uint16_t{}); return true;
    case kI16: f(std::int16_t{}); return true;
    case kU32: f(std::uint32_t{}); return true;
    case kI32: f(std::int32_t{}); return true;
    case kU64: f(std::uint64_t{}); return true;
    case kI64: f(std::int64_t{}); return true;
    case kF32: f(float{}); return true;
    case kF64: f(double{}); return true;
    default: return false;
  }
}

// The fewest bytes that an element takes in the file; 0 for a type that GGUF does not define.
std::uint64_t least_size(std::uint32_t type) {
  if (type == kBool) return 1;
  if (type == kString) return 8;
  if (type == kArray) return 12;
  std::uint64_t size = 0;
  with_number_type(type, [&](auto number) { size = sizeof number; });
  return size;
}

class MetadataParser {
 public:
  MetadataParser(ByteReader& reader, std::string_view file_name) : reader_(reader), file_name_(file_name) {}

  Result<Metadata> parse(std::uint64_t n_keys) {
    Metadata metadata;
    for (std::uint64_t i = 0; i < n_keys; ++i) {
      std::uint64_t length = 0;
      if (!reader_.read(length))
        return damaged(file_name_, "it ends inside its metadata, at key " + std::to_string(i + 1) + " of " + std::to_string(n_keys));
      if (length > kMaxNameLength)
        return damaged(file_name_, "the name of metadata key " + std::to_string(i + 1) + " is " + std::to_string(length) + " bytes long");
      if (!reader_.read(key_, length)) return damaged(file_name_, "it ends inside the name of metadata key " + std::to_string(i + 1));
      std::uint32_t type = 0;
      if (!reader_.read(type)) return truncated();
      auto value = parse_value(type);
      if (!value) return fail(std::move(value.error()));
      if (!metadata.insert(std::string(key_), std::move(*value))) return invalid("is there twice");
    }
    return metadata;
  }

 private:
  std::unexpected<Error> invalid(const std::string& what) const {
    return damaged(file_name_, "metadata key " + printable(key_) + " " + what);
  }
  std::unexpected<Error> truncated() const { return damaged(file_name_, "it ends inside the value of metadata key " + printable(key_)); }
  std::unexpected<Error> unknown_type(std::uint32_t type) const {
    return invalid("has value type " + std::to_string(type) + ", which GGUF does not define");
  }

  template <typename T>
  static Result<Value> as_value(Result<T> parsed) {
    if (!parsed) return fail(std::move(parsed.error()));
    return Value(*parsed);
  }

  Result<Value> parse_value(std::uint32_t type) {
    if (type == kBool) return as_value(parse_bool());
    if (type == kString) return as_value(parse_string());
    if (type == kArray) return parse_array();
    Result<Value> value = unknown_type(type);
    with_number_type(type, [&](auto number) { value = parse_number(number); });
    return value;
  }

  template <typename T>
  Result<Value> parse_number(T number) {
    if (!reader_.read(number)) return truncated();
    if constexpr (std::is_floating_point_v<T>)
      return Value(static_cast<double>(number));
    else if (!std::in_range<std::int64_t>(number))
      return invalid("is " + std::to_string(number) + ", more than 2^63 - 1");
    else
      return Value(static_cast<std::int64_t>(number));
  }

  Result<bool> parse_bool() {
    std::uint8_t byte = 0;
    if (!reader_.read(byte)) return truncated();
    if (byte > 1) return invalid("is a boolean with the value " + std::to_string(byte));
    return byte == 1;
  }

  Result<std::string_view> parse_string() {
    std::uint64_t length = 0;
    if (!reader_.read(length)) return truncated();
    if (length > kMaxStringLength)
      return invalid("holds a string of " + std::to_string(length) + " bytes; the limit is " + std::to_string(kMaxStringLength));
    std::string_view text;
    if (!reader_.read(text, length)) return truncated();
    return text;
  }

  struct ArrayHeader {
    std::uint32_t type;
    std::uint64_t count;
  };

  // A count that passes this check fits in the rest of the file, so it is safe to reserve memory for it.
  Result<ArrayHeader> parse_array_header() {
    ArrayHeader array{};
    if (!reader_.read(array.type) || !reader_.read(array.count)) return truncated();
    const std::uint64_t size = least_size(array.type);
    if (size == 0) return unknown_type(array.type);
    if (array.count > kMaxArrayLength) {
      return invalid("is an array of " + std::to_string(array.count) + " elements; the limit is " + std::to_string(kMaxArrayLength));
    }
    if (array.count > reader_.remaining() / size) {
      return invalid("is an array of " + std::to_string(array.count) + " elements, which do not fit in the rest of the file");
    }
    return array;
  }

  Result<Value> parse_array() {
    const auto array = parse_array_header();
    if (!array) return fail(array.error());
    if (array->type == kArray) return skip_arrays(array->count, 2);
    if (array->type == kString) return parse_elements<std::string_view>(array->count, [this] { return parse_string(); });
    if (array->type == kBool) return parse_elements<bool>(array->count, [this] { return parse_bool(); });
    Result<Value> value = unknown_type(array->type);
    with_number_type(array->type, [&](auto number) { value = parse_numbers(number, array->count); });
    return value;
  }

  template <typename T, typename Parse>
  Result<Value> parse_elements(std::uint64_t count, Parse parse) {
    std::vector<T> values;
    values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto element = parse();
      if (!element) return fail(element.error());
      values.push_back(*element);
    }
    return Value(std::move(values));
  }

  template <typename T>
  Result<Value> parse_numbers(T number, std::uint64_t count) {
    using Stored = std::conditional_t<std::is_floating_point_v<T>, float, std::int64_t>;
    std::vector<Stored> values(static_cast<std::size_t>(count));
    for (Stored& stored : values) {
      if (!reader_.read(number)) return truncated();
      if constexpr (std::is_integral_v<T>) {
        if (!std::in_range<std::int64_t>(number)) return invalid("holds " + std::to_string(number) + ", more than 2^63 - 1");
      }
      stored = static_cast<Stored>(number);  // NOLINT(bugprone-signed-char-misuse): an int8 is a number here
    }
    return Value(std::move(values));
  }

  // Arrays of arrays are checked like all others and not kept. `depth` is the depth of the next array.
  Result<Value> skip_arrays(std::uint64_t count, int depth) {
    if (depth > kMaxArrayDepth) return invalid("nests arrays more than " + std::to_string(kMaxArrayDepth) + " deep");
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto array = parse_array_header();
      if (!array) return fail(array.error());
      auto skipped = array->type == kArray ? skip_arrays(array->count, depth + 1) : skip_elements(*array);
      if (!skipped) return skipped;
    }
    return Value();
  }

  Result<Value> skip_elements(const ArrayHeader& array) {
    for (std::uint64_t i = 0; i < array.count; ++i) {
      auto element = parse_value(array.type);
      if (!element) return element;
    }
    return Value();
  }

  ByteReader& reader_;
  std::string_view file_name_;
  std::string_view key_;
};

}  // namespace

Result<Metadata> parse_gguf_metadata(ByteReader& reader, std::uint64_t n_keys, std::string_view file_name) {
  return MetadataParser(reader, file_name).parse(n_keys);
}

}  // namespace mlxr::formats
