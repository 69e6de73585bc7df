#include "core/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/core/formats/gguf_builder.h"

namespace mlxr::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint32_t kTypeF32 = 0;
constexpr std::uint32_t kTypeQ4_0 = 2;
constexpr std::uint32_t kTypeQ4_0_4_4 = 31;

// Keeps the bytes that the tensors are read from.
struct Parsed {
  std::string bytes;
  MemorySource source;
  Result<GgufContents> contents;

  explicit Parsed(std::string file)
      : bytes(std::move(file)), source(std::as_bytes(std::span(bytes))), contents(parse_gguf(source, "m.gguf")) {}
  std::byte first_byte(int tensor) const {
    std::byte byte{};
    EXPECT_TRUE(contents->tensors[static_cast<std::size_t>(tensor)].read(0, {&byte, 1}));
    return byte;
  }
};

void expect_error(const std::string& file, ErrorCode code, const std::string& sentence) {
  const Parsed parsed(file);
  ASSERT_FALSE(parsed.contents) << "accepted; expected: " << sentence;
  EXPECT_EQ(parsed.contents.error().code, code) << parsed.contents.error().message;
  EXPECT_THAT(parsed.contents.error().message, HasSubstr(sentence));
  EXPECT_THAT(parsed.contents.error().message, ::testing::StartsWith("m.gguf "));
}
void expect_corrupt(const GgufBuilder& file, const std::string& sentence) { expect_error(file.bytes(), ErrorCode::kCorrupt, sentence); }

TEST(Gguf, ReadsTensorsWithRowMajorShapesAndTheirBytes) {
  for (const std::uint32_t version : {2u, 3u}) {
    const Parsed parsed(GgufBuilder().version(version).tensor("b", {3}, kTypeF32, 64).tensor("w", {32, 2}, kTypeQ4_0, 0).data(76).bytes());
    ASSERT_TRUE(parsed.contents) << parsed.contents.error().message;
    const auto& tensors = parsed.contents->tensors;
    ASSERT_THAT(tensors, SizeIs(2));
    EXPECT_EQ(tensors[0].name, "b");
    EXPECT_THAT(tensors[0].shape, ElementsAre(3));
    EXPECT_EQ(tensors[0].bytes, 12u);
    EXPECT_EQ(parsed.first_byte(0), std::byte{64});
    EXPECT_THAT(tensors[1].shape, ElementsAre(2, 32));
    EXPECT_EQ(tensors[1].type, quant::Type::kQ4_0);
    EXPECT_EQ(tensors[1].bytes, 36u);
    EXPECT_EQ(parsed.first_byte(1), std::byte{0});
  }
}

TEST(Gguf, WidensNumbersAndKeepsStringsAsViews) {
  const Parsed parsed(GgufBuilder()
                          .key("i8", kI8, std::int8_t{-5})
                          .key("u32", kU32, std::uint32_t{4000000000})
                          .key("f32", kF32, 0.5f)
                          .key("f64", kF64, 1e300)
                          .key("yes", kBool, std::uint8_t{1})
                          .key("name", "tiny")
                          .bytes());
  ASSERT_TRUE(parsed.contents) << parsed.contents.error().message;
  const Metadata& m = parsed.contents->metadata;
  EXPECT_EQ(m.integer("i8"), -5);
  EXPECT_EQ(m.integer("u32"), 4000000000);
  EXPECT_EQ(m.number("f32"), 0.5);
  EXPECT_EQ(m.number("f64"), 1e300);
  EXPECT_EQ(m.boolean("yes"), true);
  ASSERT_EQ(m.string("name"), "tiny");
  const auto* head = reinterpret_cast<const char*>(parsed.contents->head.data());
  EXPECT_GE(m.string("name")->data(), head);
  EXPECT_LT(m.string("name")->data(), head + parsed.contents->head.size());
}

TEST(Gguf, ReadsArrays) {
  const Parsed parsed(
      GgufBuilder()
          .raw_key("words", kArray, Bytes().add(std::uint32_t{kString}).add(std::uint64_t{2}).text("a").text("").str())
          .raw_key("ids", kArray, Bytes().add(std::uint32_t{kI16}).add(std::uint64_t{2}).add(std::int16_t{-1}).add(std::int16_t{7}).str())
          .raw_key("scores", kArray, Bytes().add(std::uint32_t{kF64}).add(std::uint64_t{1}).add(0.25).str())
          .raw_key("nested", kArray,
                   Bytes().add(std::uint32_t{kArray}).add(std::uint64_t{1}).add(std::uint32_t{kU8}).add(std::uint64_t{1}).add('x').str())
          .bytes());
  ASSERT_TRUE(parsed.contents) << parsed.contents.error().message;
  const Metadata& m = parsed.contents->metadata;
  EXPECT_THAT(m.strings("words"), ElementsAre("a", ""));
  EXPECT_THAT(m.integers("ids"), ElementsAre(-1, 7));
  EXPECT_THAT(m.floats("scores"), ElementsAre(0.25f));
  ASSERT_NE(m.find("nested"), nullptr);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*m.find("nested")));
}

TEST(Gguf, HonoursTheAlignmentOfTheFile) {
  const Parsed parsed(
      GgufBuilder().key("general.alignment", kU32, std::uint32_t{128}).alignment(128).tensor("a", {1}, kTypeF32, 128).data(132).bytes());
  ASSERT_TRUE(parsed.contents) << parsed.contents.error().message;
  EXPECT_EQ(parsed.first_byte(0), std::byte{128});
}

TEST(Gguf, RefusesWhatIsNotALittleEndianGgufOfVersion2Or3) {
  expect_error("PK\x03\x04 zip", ErrorCode::kUnsupported, "is not a GGUF file");
  expect_error(GgufBuilder().version(1).bytes(), ErrorCode::kUnsupported, "version 1");
  expect_error(GgufBuilder().version(4).bytes(), ErrorCode::kUnsupported, "version 4");
  expect_error(GgufBuilder().version(0x03000000).bytes(), ErrorCode::kUnsupported, "big-endian");
}

TEST(Gguf, NamesTheFirstTensorThatCannotBeRunAndItsType) {
  const auto file = GgufBuilder().tensor("a", {4}, kTypeF32, 0).tensor("blk.0.up", {256}, kTypeQ4_0_4_4, 32).data(128);
  expect_error(file.bytes(), ErrorCode::kUnsupported, "tensor 'blk.0.up' has the type Q4_0_4_4");
  expect_error(GgufBuilder().tensor("a", {4}, 77, 0).data(16).bytes(), ErrorCode::kUnsupported, "'a' has the type 77.");
}

TEST(Gguf, RefusesShapesThatCannotBe) {
  expect_corrupt(GgufBuilder().tensor("a", {}, kTypeF32, 0), "'a' has 0 dimensions");
  expect_corrupt(GgufBuilder().tensor("a", {1, 1, 1, 1, 1}, kTypeF32, 0).data(4), "'a' has 5 dimensions");
  expect_corrupt(GgufBuilder().tensor("a", {4, 0}, kTypeF32, 0), "'a' has a dimension of zero");
  expect_corrupt(GgufBuilder().tensor("a", {1ull << 32, 1ull << 32}, kTypeF32, 0), "more elements than 2^63 - 1");
  expect_corrupt(GgufBuilder().tensor("a", {1ull << 62}, kTypeF32, 0), "more bytes than 2^64 - 1");
  expect_corrupt(GgufBuilder().tensor("a", {33}, kTypeQ4_0, 0).data(36), "rows of 33 values; Q4_0 needs a multiple of 32");
}

TEST(Gguf, RefusesTensorsOutsideTheFileOrOnEachOther) {
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, 0).data(15), "'a' starts at byte 64 and has 16 bytes, the file ends at byte 79");
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, 1 << 20).data(16), "'a' starts 1048576 bytes after byte 64");
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, ~31ull).data(16), "the file ends at byte 80");
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, 4).data(20), "offset 4, which is not a multiple of 32");
  expect_corrupt(GgufBuilder().tensor("a", {16}, kTypeF32, 0).tensor("b", {4}, kTypeF32, 32).data(64), "'a' overlaps tensor 'b'");
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, 0).tensor("b", {4}, kTypeF32, 0).data(16), "overlaps tensor");
}

TEST(Gguf, RefusesNamesThatRepeat) {
  expect_corrupt(GgufBuilder().tensor("a", {4}, kTypeF32, 0).tensor("a", {4}, kTypeF32, 32).data(48), "tensor 'a' is there twice");
  expect_corrupt(GgufBuilder().key("k", "1").key("k", "2"), "metadata key 'k' is there twice");
}

TEST(Gguf, RefusesAlignmentsThatAreNoPowerOfTwo) {
  for (const std::uint32_t bad : {0u, 1u, 24u, 1u << 21}) {
    expect_corrupt(GgufBuilder().key("general.alignment", kU32, bad), "general.alignment must be a power of two");
  }
  expect_corrupt(GgufBuilder().key("general.alignment", "32"), "general.alignment must be a power of two");
}

TEST(Gguf, RefusesValuesThatBreakTheFormat) {
  expect_corrupt(GgufBuilder().key("k", 13, std::uint8_t{0}), "'k' has value type 13");
  expect_corrupt(GgufBuilder().key("k", kBool, std::uint8_t{2}), "'k' is a boolean with the value 2");
  expect_corrupt(GgufBuilder().key("k", kU64, std::numeric_limits<std::uint64_t>::max()), "more than 2^63 - 1");
}

TEST(Gguf, RefusesHugeCountsBeforeItReservesMemoryForThem) {
  const auto array = [](std::uint32_t type, std::uint64_t count) { return Bytes().add(type).add(count).str(); };
  expect_corrupt(GgufBuilder().raw_key("k", kArray, array(kU8, 1ull << 63)), "an array of 9223372036854775808 elements");
  expect_corrupt(GgufBuilder().raw_key("k", kArray, array(kString, 1 << 20)), "do not fit in the rest of the file");
  expect_corrupt(GgufBuilder().raw_key("k", kString, Bytes().add(1ull << 63).str()), "a string of 9223372036854775808 bytes");
  expect_error(Bytes().add("GGUF").add(3u).add(1ull << 60).add(0ull).str(), ErrorCode::kCorrupt, "claims 1152921504606846976 tensors");
  expect_error(Bytes().add("GGUF").add(3u).add(100000ull).add(0ull).str(), ErrorCode::kCorrupt, "do not fit in the file");
  expect_error(Bytes().add("GGUF").add(3u).add(0ull).add(1ull << 60).str(), ErrorCode::kCorrupt, "metadata keys; the limit");
  expect_error(Bytes().add("GGUF").add(3u).add(0ull).add(1ull).add(1ull << 63).str(), ErrorCode::kCorrupt, "bytes long");
}

TEST(Gguf, RefusesArraysNestedTooDeep) {
  Bytes value;
  for (int depth = 0; depth < 100000; ++depth) value.add(std::uint32_t{kArray}).add(std::uint64_t{1});
  expect_corrupt(GgufBuilder().raw_key("k", kArray, value.str()), "nests arrays more than 4 deep");
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string whole =
      GgufBuilder()
          .key("general.name", "tiny")
          .raw_key("words", kArray, Bytes().add(std::uint32_t{kString}).add(std::uint64_t{2}).text("a").text("b").str())
          .tensor("w", {32, 2}, kTypeQ4_0, 0)
          .data(36)
          .bytes();
  ASSERT_TRUE(Parsed(whole).contents);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Parsed(whole.substr(0, size)).contents) << "accepted the first " << size << " bytes";
  }
}

// While a file is downloaded, its description can be read as soon as it is complete, and an incomplete one never gives another result.
TEST(Gguf, ReadsTheHeadOfAFileThatIsNotAllThere) {
  const std::string whole = GgufBuilder().key("general.name", "tiny").tensor("w", {32, 2}, kTypeQ4_0, 0).data(36).bytes();
  const auto head_of = [&](std::size_t size) {
    const auto bytes = std::as_bytes(std::span(whole)).first(size);
    return parse_gguf_head({bytes.begin(), bytes.end()}, whole.size(), "m.gguf");
  };
  const std::size_t described = whole.size() - 36 - 31;  // at most 31 bytes of padding
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = head_of(size);
    if (parsed) {
      EXPECT_TRUE(*parsed) << (*parsed).error().message;
      EXPECT_GE(size, described);
    }
  }
  const auto parsed = head_of(whole.size() - 36);
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->metadata.string("general.name"), "tiny");
  EXPECT_EQ((*parsed)->tensors[0].bytes, 36u);
}

TEST(Gguf, AHeadThatIsDamagedIsRefusedAtOnce) {
  const std::string bytes = GgufBuilder().version(1).bytes();
  const auto parsed = parse_gguf_head({std::as_bytes(std::span(bytes)).begin(), std::as_bytes(std::span(bytes)).end()}, 1 << 20, "m.gguf");
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(*parsed);
}

// A vocabulary that does not fit in the part of the file that is read first.
TEST(Gguf, ReadsAHeadOfManyMegabytes) {
  const Parsed parsed(GgufBuilder().key("a", std::string(5 << 20, 'x')).key("z", "last").tensor("w", {3}, kTypeF32, 0).data(12).bytes());
  ASSERT_TRUE(parsed.contents) << parsed.contents.error().message;
  EXPECT_EQ(parsed.contents->metadata.string("a")->size(), 5u << 20);
  EXPECT_EQ(parsed.contents->metadata.string("z"), "last");
  EXPECT_EQ(parsed.first_byte(0), std::byte{0});
}

TEST(Gguf, ShowsHostileNamesHarmlessly) {
  EXPECT_EQ(harmless("llama\x1b]0;title\a"), "llama?]0;title?");
  EXPECT_EQ(printable("a\x1b[2J\xff|\n"), "'a?[2J?|?'");
  EXPECT_THAT(printable(std::string(1000, 'x')), SizeIs(85));
}

}  // namespace
}  // namespace mlxr::formats
