#include "core/formats/folder/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "core/formats/folder/json_value.h"
#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::size_t kMaxDims = 8;

struct Entry {
  std::string_view name;
  std::uint64_t bytes;  // of one value
};
constexpr std::array<Entry, 16> kDtypes = {{{"BOOL", 1},
                                            {"U8", 1},
                                            {"I8", 1},
                                            {"U16", 2},
                                            {"I16", 2},
                                            {"U32", 4},
                                            {"I32", 4},
                                            {"U64", 8},
                                            {"I64", 8},
                                            {"F8_E4M3", 1},
                                            {"F8_E5M2", 1},
                                            {"F8_E8M0", 1},
                                            {"F16", 2},
                                            {"BF16", 2},
                                            {"F32", 4},
                                            {"F64", 8}}};

// A number that is not negative.
std::optional<std::uint64_t> natural(const Json& value) {
  const auto number = value.integer();
  return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

class HeaderReader {
 public:
  HeaderReader(std::string_view file_name, std::uint64_t start, std::uint64_t file_size)
      : file_name_(file_name), start_(start), size_(file_size - start) {}

  Result<std::vector<StoredTensor>> read(const Json& header) const {
    const auto* members = header.members();
    if (!members) return damaged(file_name_, "its header is not an object");
    if (members->size() > kMaxTensors)
      return damaged(file_name_, "it claims " + std::to_string(members->size()) + " tensors; the limit is " + std::to_string(kMaxTensors));
    std::vector<StoredTensor> tensors;
    tensors.reserve(members->size());
    for (const auto& [name, description] : *members) {
      if (name == "__metadata__") continue;
      auto tensor = read_tensor(name, description);
      if (!tensor) return fail(std::move(tensor.error()));
      tensors.push_back(*std::move(tensor));
    }
    if (auto whole = check_cover(tensors); !whole) return fail(whole.error());
    return tensors;
  }

 private:
  std::unexpected<Error> bad(std::string_view name, const std::string& what) const {
    return damaged(file_name_, "tensor " + printable(name) + " " + what);
  }

  // With the offset from the end of the header.
  Result<StoredTensor> read_tensor(const std::string& name, const Json& description) const {
    if (name.size() > kMaxNameLength) return damaged(file_name_, "a tensor's name is " + std::to_string(name.size()) + " bytes long");
    StoredTensor tensor{.name = name};
    const Json* dtype = description.find("dtype");
    const Json* shape = description.find("shape");
    const Json* offsets = description.find("data_offsets");
    if (!dtype || !dtype->text() || !shape || !shape->items() || !offsets || !offsets->items() || offsets->items()->size() != 2)
      return bad(name, "has no dtype, shape and data_offsets");
    const auto known = std::ranges::find(kDtypes, *dtype->text(), &Entry::name);
    if (known == kDtypes.end()) {
      return fail(ErrorCode::kUnsupported, std::string(file_name_) + " cannot be run: tensor " + printable(name) + " has the dtype " +
                                               printable(*dtype->text()) + ", which MLXR does not know.");
    }
    tensor.dtype = static_cast<Dtype>(known - kDtypes.begin());
    if (auto done = read_shape(*shape->items(), known->bytes, tensor); !done) return fail(done.error());
    const auto begin = natural((*offsets->items())[0]), end = natural((*offsets->items())[1]);
    if (!begin || !end || *begin > *end) return bad(name, "has data_offsets that are not two numbers in ascending order");
    const auto range = "from byte " + std::to_string(*begin) + " to " + std::to_string(*end);
    if (*end > size_) return bad(name, "lies " + range + " of the data, which has " + std::to_string(size_) + " bytes");
    if (*end - *begin != tensor.bytes)
      return bad(name, "lies " + range + " of the data, and needs " + std::to_string(tensor.bytes) + " bytes");
    tensor.offset = *begin;
    return tensor;
  }

  Result<void> read_shape(const Json::Items& dims, std::uint64_t value_bytes, StoredTensor& tensor) const {
    if (dims.size() > kMaxDims)
      return bad(tensor.name, "has " + std::to_string(dims.size()) + " dimensions; the limit is " + std::to_string(kMaxDims));
    tensor.bytes = value_bytes;
    for (const Json& item : dims) {
      const auto dim = natural(item);
      if (!dim) return bad(tensor.name, "has a dimension that is not a number");
      if (*dim == 0) return bad(tensor.name, "has a dimension of zero");
      if (tensor.bytes > static_cast<std::uint64_t>(INT64_MAX) / *dim) return bad(tensor.name, "has more bytes than 2^63 - 1");
      tensor.bytes *= *dim;
      tensor.shape.push_back(static_cast<std::int64_t>(*dim));
    }
    return {};
  }

  // Sorts the tensors by their data, which must cover the file, and makes offsets of the file of their offsets.
  Result<void> check_cover(std::vector<StoredTensor>& tensors) const {
    std::ranges::sort(tensors, {}, &StoredTensor::offset);
    std::uint64_t end = 0;
    const StoredTensor* previous = nullptr;
    for (auto& tensor : tensors) {
      if (tensor.offset < end) return bad(previous->name, "overlaps tensor " + printable(tensor.name));
      if (tensor.offset > end)
        return bad(tensor.name, "starts at byte " + std::to_string(tensor.offset) + " of the data; no tensor fills the bytes from " +
                                    std::to_string(end) + " on");
      end += tensor.bytes;
      previous = &tensor;
    }
    if (end != size_)
      return damaged(file_name_,
                     "its tensors end at byte " + std::to_string(start_ + end) + " and the file at byte " + std::to_string(start_ + size_));
    for (auto& tensor : tensors) tensor.offset += start_;
    return {};
  }

  std::string_view file_name_;
  std::uint64_t start_, size_;  // of the data
};

}  // namespace

std::string_view name_of(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].name; }

Result<std::vector<StoredTensor>> parse_safetensors(const Source& file, std::string_view file_name) {
  std::array<std::byte, 8> first;
  if (file.size() < first.size()) return damaged(file_name, "it ends inside its header");
  if (auto done = file.read(0, first); !done) return fail(std::move(done.error()));
  const auto length = std::bit_cast<std::uint64_t>(first);
  if (length > kMaxSafetensorsHeader)
    return damaged(file_name,
                   "its header claims " + std::to_string(length) + " bytes; the limit is " + std::to_string(kMaxSafetensorsHeader));
  if (length > file.size() - first.size())
    return damaged(file_name, "its header claims " + std::to_string(length) + " bytes, and the file has " + std::to_string(file.size()));
  std::string text(static_cast<std::size_t>(length), '\0');
  if (auto done = file.read(first.size(), std::as_writable_bytes(std::span(text))); !done) return fail(std::move(done.error()));
  const auto header = parse_json(text, file_name);
  if (!header) return fail(header.error());
  return HeaderReader(file_name, first.size() + length, file.size()).read(*header);
}

}  // namespace mlxr::formats
