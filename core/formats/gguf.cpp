#include "core/formats/gguf.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

namespace mlxr::formats {
namespace {

constexpr std::uint32_t kMaxDims = 4;
constexpr std::uint64_t kLeastEntrySize = 8 + 4 + 8 + 4 + 8;  // an empty name and one dimension
constexpr std::int64_t kDefaultAlignment = 32;
constexpr std::uint64_t kFirstHead = std::uint64_t{1} << 20;  // enough without a vocabulary; one of 150,000 tokens takes 10 MiB

std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
  return a * b;
}

constexpr std::uint32_t swap_bytes(std::uint32_t v) { return v >> 24 | (v >> 8 & 0xff00u) | (v << 8 & 0xff0000u) | v << 24; }

// An entry of the tensor directory, before its data has been checked to lie within the file.
struct Entry {
  Tensor tensor;
  std::uint64_t offset;  // from the start of the data
};

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> head, std::uint64_t file_size, const Source* source, std::string_view file_name)
      : file_size_(file_size), source_(source), file_name_(file_name), reader_(head, file_size) {}

  bool needs_more() const { return reader_.needs_more(); }

  Result<GgufContents> parse() {
    const auto header = parse_header();
    if (!header) return fail(header.error());
    auto metadata = parse_gguf_metadata(reader_, header->n_keys, file_name_);
    if (!metadata) return fail(std::move(metadata.error()));
    const auto alignment = alignment_of(*metadata);
    if (!alignment) return fail(alignment.error());

    if (header->n_tensors > reader_.remaining() / kLeastEntrySize) {
      return damaged(file_name_, "it claims " + std::to_string(header->n_tensors) + " tensors, whose descriptions do not fit in the file");
    }
    std::vector<Entry> entries;
    entries.reserve(static_cast<std::size_t>(header->n_tensors));
    for (std::uint64_t i = 0; i < header->n_tensors; ++i) {
      auto entry = parse_entry(i, header->n_tensors, *alignment);
      if (!entry) return fail(std::move(entry.error()));
      entries.push_back(std::move(*entry));
    }
    if (const auto placed = place(entries, *alignment); !placed) return fail(placed.error());
    if (const auto distinct = check_overlaps(entries); !distinct) return fail(distinct.error());

    GgufContents contents{.head = {}, .metadata = std::move(*metadata), .tensors = {}};
    contents.tensors.reserve(entries.size());
    for (Entry& entry : entries) contents.tensors.push_back(std::move(entry.tensor));
    if (const auto distinct = check_names(contents.tensors); !distinct) return fail(distinct.error());
    return contents;
  }

 private:
  struct Header {
    std::uint64_t n_tensors;
    std::uint64_t n_keys;
  };

  std::unexpected<Error> unsupported(const std::string& what) const {
    return fail(ErrorCode::kUnsupported, std::string(file_name_) + " " + what);
  }
  std::unexpected<Error> bad_tensor(std::string_view name, const std::string& what) const {
    return damaged(file_name_, "tensor " + printable(name) + " " + what);
  }

  Result<Header> parse_header() {
    std::string_view magic;
    if (!reader_.read(magic, 4) || magic != "GGUF") return unsupported("is not a GGUF file. MLXR runs models in GGUF format.");
    std::uint32_t version = 0;
    if (!reader_.read(version)) return damaged(file_name_, "it ends inside its header");
    if (const auto swapped = swap_bytes(version); swapped >= 1 && swapped <= 3) {
      return unsupported("is a big-endian GGUF file. MLXR reads little-endian ones; convert it or download that variant.");
    }
    if (version != 2 && version != 3) {
      return unsupported("has GGUF version " + std::to_string(version) + ". MLXR reads versions 2 and 3; convert it with a current tool.");
    }
    Header header{};
    if (!reader_.read(header.n_tensors) || !reader_.read(header.n_keys)) return damaged(file_name_, "it ends inside its header");
    if (header.n_tensors > kMaxTensors) {
      return damaged(file_name_, "it claims " + std::to_string(header.n_tensors) + " tensors; the limit is " + std::to_string(kMaxTensors));
    }
    if (header.n_keys > kMaxKeys) {
      return damaged(file_name_, "it claims " + std::to_string(header.n_keys) + " metadata keys; the limit is " + std::to_string(kMaxKeys));
    }
    return header;
  }

  Result<std::uint64_t> alignment_of(const Metadata& metadata) const {
    if (!metadata.find("general.alignment")) return kDefaultAlignment;
    const std::int64_t alignment = metadata.integer("general.alignment").value_or(0);
    if (alignment < 8 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
      return damaged(file_name_, "general.alignment must be a power of two from 8 to " + std::to_string(kMaxAlignment));
    }
    return static_cast<std::uint64_t>(alignment);
  }

  Result<Entry> parse_entry(std::uint64_t index, std::uint64_t n_tensors, std::uint64_t alignment) {
    const auto truncated = [&] {
      return damaged(file_name_,
                     "it ends inside the description of tensor " + std::to_string(index + 1) + " of " + std::to_string(n_tensors));
    };
    std::uint64_t length = 0;
    if (!reader_.read(length)) return truncated();
    if (length > kMaxNameLength) {
      return damaged(file_name_, "the name of tensor " + std::to_string(index + 1) + " is " + std::to_string(length) + " bytes long");
    }
    Entry entry{};
    if (!reader_.read(entry.tensor.name, length)) return truncated();
    const std::string_view name = entry.tensor.name;

    std::uint32_t n_dims = 0;
    if (!reader_.read(n_dims)) return truncated();
    if (n_dims < 1 || n_dims > kMaxDims) return bad_tensor(name, "has " + std::to_string(n_dims) + " dimensions; 1 to 4 are allowed");
    std::uint64_t n_elements = 1;
    for (std::uint32_t i = 0; i < n_dims; ++i) {
      std::uint64_t dim = 0;
      if (!reader_.read(dim)) return truncated();
      if (dim == 0) return bad_tensor(name, "has a dimension of zero");
      const auto product = checked_multiply(n_elements, dim);
      if (!product || !std::in_range<std::int64_t>(*product)) return bad_tensor(name, "has more elements than 2^63 - 1");
      n_elements = *product;
      entry.tensor.shape.push_back(static_cast<std::int64_t>(dim));
    }

    std::uint32_t number = 0;
    if (!reader_.read(number) || !reader_.read(entry.offset)) return truncated();
    const auto type = quant::from_number(number);
    if (!type) {
      return unsupported(
          "cannot be run: tensor " + printable(name) + " has the type " + quant::name_of_number(number) +
          ". MLXR runs F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ1 to IQ4, Q1_0, TQ1_0, TQ2_0, MXFP4 and "
          "NVFP4; choose such a variant of the model.");
    }
    entry.tensor.type = *type;
    const quant::Traits& block = quant::traits(*type);
    const auto row = static_cast<std::uint64_t>(entry.tensor.shape.front());  // still GGUF's order: the fastest dimension first
    if (row % block.block_size != 0) {
      return bad_tensor(name, "has rows of " + std::to_string(row) + " values; " + std::string(block.name) + " needs a multiple of " +
                                  std::to_string(block.block_size));
    }
    const auto bytes = checked_multiply(n_elements / block.block_size, block.block_bytes);
    if (!bytes) return bad_tensor(name, "has more bytes than 2^64 - 1");
    entry.tensor.bytes = *bytes;
    if (entry.offset % alignment != 0) {
      return bad_tensor(name,
                        "starts at offset " + std::to_string(entry.offset) + ", which is not a multiple of " + std::to_string(alignment));
    }
    std::reverse(entry.tensor.shape.begin(), entry.tensor.shape.end());
    return entry;
  }

  // Gives every tensor its bytes. The data begins at the first aligned position after the directory.
  Result<void> place(std::vector<Entry>& entries, std::uint64_t alignment) const {
    const std::uint64_t size = file_size_;
    const std::uint64_t padding = (alignment - reader_.position() % alignment) % alignment;
    const std::uint64_t start = reader_.position() + padding;  // cannot overflow: position <= size of a mapping, padding <= 2^20
    for (Entry& entry : entries) {
      if (start > size || entry.offset > size - start) {
        return bad_tensor(entry.tensor.name, "starts " + std::to_string(entry.offset) + " bytes after byte " + std::to_string(start) +
                                                 ", the file ends at byte " + std::to_string(size));
      }
      const std::uint64_t first = start + entry.offset;
      if (entry.tensor.bytes > size - first) {
        return bad_tensor(entry.tensor.name, "starts at byte " + std::to_string(first) + " and has " + std::to_string(entry.tensor.bytes) +
                                                 " bytes, the file ends at byte " + std::to_string(size));
      }
      entry.tensor.offset = first;
      entry.tensor.source = source_;
    }
    return {};
  }

  Result<void> check_overlaps(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> by_offset(entries.size());
    std::transform(entries.begin(), entries.end(), by_offset.begin(), [](const Entry& entry) { return &entry; });
    std::sort(by_offset.begin(), by_offset.end(), [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
    const auto overlap = std::adjacent_find(by_offset.begin(), by_offset.end(),
                                            [](const Entry* a, const Entry* b) { return b->offset - a->offset < a->tensor.bytes; });
    if (overlap == by_offset.end()) return {};
    return bad_tensor(overlap[0]->tensor.name, "overlaps tensor " + printable(overlap[1]->tensor.name));
  }

  Result<void> check_names(const std::vector<Tensor>& tensors) const {
    std::vector<std::string_view> names;
    for (const Tensor& tensor : tensors) names.push_back(tensor.name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    return twice == names.end() ? Result<void>() : bad_tensor(*twice, "is there twice");
  }

  const std::uint64_t file_size_;
  const Source* const source_;
  std::string_view file_name_;
  ByteReader reader_;
};

// Returns nothing when the head is too short to tell.
std::optional<Result<GgufContents>> parse_head(std::vector<std::byte> head, std::uint64_t file_size, const Source* source,
                                               std::string_view file_name) {
  GgufParser parser(head, file_size, source, file_name);
  auto contents = parser.parse();
  if (!contents && parser.needs_more()) return std::nullopt;
  if (contents) contents->head = std::move(head);  // moving a vector keeps the bytes at their address
  return contents;
}

}  // namespace

std::optional<Result<GgufContents>> parse_gguf_head(std::vector<std::byte> head, std::uint64_t file_size, std::string_view file_name) {
  file_size = std::max<std::uint64_t>(file_size, head.size());
  return parse_head(std::move(head), file_size, nullptr, file_name);
}

Result<GgufContents> parse_gguf(const Source& source, std::string_view file_name) {
  for (std::uint64_t size = std::min(kFirstHead, source.size());; size = std::min(size * 4, source.size())) {
    std::vector<std::byte> head(static_cast<std::size_t>(size));
    if (auto done = source.read(0, head); !done) return fail(std::move(done.error()));
    if (auto contents = parse_head(std::move(head), source.size(), &source, file_name)) return *std::move(contents);
    if (size >= kMaxHead) return damaged(file_name, "its description is longer than " + std::to_string(kMaxHead) + " bytes");
  }
}

std::unexpected<Error> damaged(std::string_view file_name, const std::string& what) {
  return fail(ErrorCode::kCorrupt, std::string(file_name) + " is damaged: " + what + ". Download or copy it again.");
}

}  // namespace mlxr::formats
