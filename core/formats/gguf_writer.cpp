#include "core/formats/gguf_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "core/formats/gguf.h"

namespace mlxr::formats {
namespace {

constexpr std::uint32_t kVersion = 3;
// GGUF's numbers for the types of values.
enum : std::uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kI64 = 11 };

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

std::uint64_t aligned(std::uint64_t size, std::uint64_t alignment) { return (size + alignment - 1) / alignment * alignment; }

// Appends the type and the value.
class ValueWriter {
 public:
  explicit ValueWriter(std::string& out) : out_(out) {}

  void operator()(std::monostate) { (*this)(std::vector<std::int64_t>()); }
  void operator()(bool value) { type(kBool), put(out_, static_cast<std::uint8_t>(value)); }
  void operator()(std::int64_t value) {
    if (std::in_range<std::uint32_t>(value)) return type(kU32), put(out_, static_cast<std::uint32_t>(value));
    type(kI64), put(out_, value);
  }
  void operator()(double value) { type(kF32), put(out_, static_cast<float>(value)); }
  void operator()(std::string_view value) { type(kString), put_text(out_, value); }
  void operator()(const std::vector<bool>& values) {
    array(kBool, values.size());
    for (const bool value : values) put(out_, static_cast<std::uint8_t>(value));
  }
  void operator()(const std::vector<std::int64_t>& values) {
    const bool small = std::ranges::all_of(values, [](std::int64_t value) { return std::in_range<std::int32_t>(value); });
    array(small ? kI32 : kI64, values.size());
    for (const auto value : values) small ? put(out_, static_cast<std::int32_t>(value)) : put(out_, value);
  }
  void operator()(const std::vector<float>& values) {
    array(kF32, values.size());
    for (const float value : values) put(out_, value);
  }
  void operator()(const std::vector<std::string_view>& values) {
    array(kString, values.size());
    for (const auto value : values) put_text(out_, value);
  }

 private:
  void type(std::uint32_t number) { put(out_, number); }
  void array(std::uint32_t element, std::uint64_t count) { type(kArray), type(element), put(out_, count); }

  std::string& out_;
};

// Everything before the data.
std::string header(std::span<const RawPair> pairs, std::span<const TensorPlan> tensors, std::uint64_t alignment) {
  std::string out = "GGUF";
  put(out, kVersion);
  put(out, std::uint64_t{tensors.size()});
  put(out, std::uint64_t{pairs.size()});
  for (const RawPair& pair : pairs) out += pair.bytes;
  std::uint64_t offset = 0;
  for (const TensorPlan& tensor : tensors) {
    put_text(out, tensor.name);
    put(out, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) put(out, static_cast<std::uint64_t>(*dim));
    put(out, static_cast<std::uint32_t>(tensor.type));
    put(out, offset);
    offset += aligned(tensor.bytes(), alignment);
  }
  out.resize(aligned(out.size(), alignment));
  return out;
}

}  // namespace

std::vector<RawPair> gguf_pairs(std::span<const std::byte> file) {
  ByteReader reader(file);
  std::string_view magic;
  std::uint32_t version = 0;
  std::uint64_t n_tensors = 0;
  std::uint64_t n_keys = 0;
  std::vector<RawPair> pairs;
  if (!reader.read(magic, 4) || !reader.read(version) || !reader.read(n_tensors) || !reader.read(n_keys)) return pairs;
  for (std::uint64_t i = 0; i < n_keys; ++i) {
    const std::size_t begin = reader.position();
    const auto parsed = parse_gguf_metadata(reader, 1, "");  // tells where the pair ends
    if (!parsed) return pairs;
    const std::string_view bytes(reinterpret_cast<const char*>(file.data()) + begin, reader.position() - begin);
    pairs.push_back({bytes.substr(sizeof(std::uint64_t), parsed->all().begin()->first.size()), bytes});
  }
  return pairs;
}

std::string encode_pair(std::string_view key, const Value& value) {
  std::string out;
  put_text(out, key);
  std::visit(ValueWriter(out), value);
  return out;
}

std::string u32_pair(std::string_view key, std::uint32_t value) {
  std::string out;
  put_text(out, key);
  put<std::uint32_t>(out, kU32);
  put(out, value);
  return out;
}

std::uint64_t TensorPlan::bytes() const {
  std::uint64_t n = 1;
  for (const std::int64_t dim : shape) n *= static_cast<std::uint64_t>(dim);
  return quant::row_bytes(type, n);
}

Result<GgufWriter> GgufWriter::create(const std::filesystem::path& file, std::span<const RawPair> pairs,
                                      std::span<const TensorPlan> tensors, std::uint64_t alignment) {
  GgufWriter writer;
  writer.file_ = file;
  writer.alignment_ = alignment;
  for (const TensorPlan& tensor : tensors) writer.tensor_bytes_.push_back(tensor.bytes());
  std::string temporary = file.string() + ".XXXXXX";
  writer.fd_ = platform::FileDescriptor(::mkstemp(temporary.data()));
  if (!writer.fd_) return fail(platform::os_error(errno, "Cannot write " + file.string()));
  writer.temporary_ = std::move(temporary);
  if (::fchmod(writer.fd_.get(), 0644) != 0) return fail(platform::os_error(errno, "Cannot set the mode of " + file.string()));
  if (auto written = platform::write_all(writer.fd_.get(), header(pairs, tensors, alignment), file); !written) return fail(written.error());
  return writer;
}

GgufWriter::~GgufWriter() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> GgufWriter::append(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (auto done = platform::write_all(fd_.get(), text, file_); !done) return done;
  written_ += bytes.size();
  if (tensor_ == tensor_bytes_.size() || written_ != tensor_bytes_[tensor_]) return {};
  ++tensor_;
  return pad();
}

Result<void> GgufWriter::pad() {
  const std::string zeros(aligned(written_, alignment_) - written_, '\0');
  written_ = 0;
  return platform::write_all(fd_.get(), zeros, file_);
}

Result<void> GgufWriter::finish() {
  if (tensor_ != tensor_bytes_.size() || written_ != 0) return fail(ErrorCode::kInternal, file_.string() + " lacks bytes of its tensors.");
  fd_.reset();
  if (auto moved = platform::move_into_place(temporary_, file_); !moved) return moved;
  temporary_.clear();
  return {};
}

std::uint64_t gguf_file_size(std::span<const RawPair> pairs, std::span<const TensorPlan> tensors, std::uint64_t alignment) {
  std::uint64_t size = header(pairs, tensors, alignment).size();
  for (const TensorPlan& tensor : tensors) size += aligned(tensor.bytes(), alignment);
  return size;
}

}  // namespace mlxr::formats
