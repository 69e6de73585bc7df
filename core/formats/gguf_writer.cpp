#include "core/formats/gguf_writer.h"

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
constexpr std::uint32_t kU32 = 4;  // GGUF's number for the type of a value

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::is_integral_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

std::uint64_t aligned(std::uint64_t size, std::uint64_t alignment) { return (size + alignment - 1) / alignment * alignment; }

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

std::string u32_pair(std::string_view key, std::uint32_t value) {
  std::string out;
  put_text(out, key);
  put(out, kU32);
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
