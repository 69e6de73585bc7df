#include "core/formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/formats/checkpoint.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::formats {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// Metadata of every shape, also one that Metadata does not keep: an array of arrays.
const std::string kSource = GgufBuilder()
                                .key("general.architecture", "llama")
                                .key("small", kI8, std::int8_t{-3})
                                .raw_key("nested", kArray,
                                         mlxr::formats::Bytes()
                                             .add(std::uint32_t{kArray})
                                             .add(std::uint64_t{1})
                                             .add(std::uint32_t{kU8})
                                             .add(std::uint64_t{2})
                                             .add("ab")
                                             .str())
                                .key("last", kF64, 0.1)
                                .tensor("w", {3}, 0, 0)
                                .data(12)
                                .bytes();

TEST(GgufWriter, WritesWhatTheReaderReads) {
  platform::TemporaryFolder folder;
  const fs::path file = folder.path / "out.gguf";
  const auto pairs = gguf_pairs(as_bytes(kSource));
  ASSERT_EQ(pairs.size(), 4u);
  EXPECT_EQ(pairs[2].key, "nested");
  const std::vector<TensorPlan> plans = {{"a", quant::Type::kF32, {2, 3}}, {"b", quant::Type::kQ8_0, {1, 64}}};
  auto writer = GgufWriter::create(file, pairs, plans, 64);
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_FALSE(fs::exists(file));
  const std::string a(24, 'a');
  const std::string b(68, 'b');
  ASSERT_TRUE(writer->append(as_bytes(a)));
  ASSERT_TRUE(writer->append(as_bytes(b).first(34)));
  ASSERT_FALSE(writer->finish());  // a tensor is not whole
  ASSERT_TRUE(writer->append(as_bytes(b).subspan(34)));
  ASSERT_TRUE(writer->finish());

  EXPECT_EQ(fs::file_size(file), gguf_file_size(pairs, plans, 64));
  const std::string bytes = *platform::read_file(file, 1 << 20);
  const auto again = gguf_pairs(as_bytes(bytes));
  EXPECT_TRUE(std::ranges::equal(pairs, again, {}, &RawPair::bytes, &RawPair::bytes));
  EXPECT_EQ(files_in(folder.path), 1u);
}

TEST(GgufWriter, LeavesNothingWhenItIsNotFinished) {
  platform::TemporaryFolder folder;
  {
    auto writer = GgufWriter::create(folder.path / "out.gguf", {}, {}, 32);
    ASSERT_TRUE(writer);
    EXPECT_EQ(files_in(folder.path), 1u);
  }
  EXPECT_EQ(files_in(folder.path), 0u);
  EXPECT_EQ(GgufWriter::create(folder.path / "none" / "out.gguf", {}, {}, 32).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace mlxr::formats
