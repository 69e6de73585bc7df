#include <gtest/gtest.h>

#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

namespace mlxr::text {
namespace {

// Token n is the byte n.
class Bytes final : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view, EncodeOptions) const override { return {}; }
  std::vector<TokenId> encode(const MarkedText&, EncodeOptions) const override { return {}; }
  std::string piece(TokenId id, bool) const override { return {static_cast<char>(id)}; }
  std::int32_t vocab_size() const override { return 256; }
  std::optional<TokenId> bos() const override { return {}; }
  std::optional<TokenId> eos() const override { return {}; }
  bool is_control(TokenId) const override { return false; }
  bool ends_generation(TokenId) const override { return false; }
  const std::vector<std::string>& warnings() const override { return none_; }

 private:
  std::vector<std::string> none_;
};

TEST(Detokenizer, WaitsForTheRestOfACharacter) {
  const Bytes bytes;
  Detokenizer out(bytes);
  EXPECT_EQ(out.feed(0xE2), "");
  EXPECT_EQ(out.feed(0x82), "");
  EXPECT_EQ(out.feed(0xAC), "€");
  EXPECT_EQ(out.finish(), "");
}

TEST(Detokenizer, ReplacesWhatCannotBecomeACharacter) {
  const Bytes bytes;
  Detokenizer out(bytes);
  EXPECT_EQ(out.feed(0xFF), "\uFFFD");
  EXPECT_EQ(out.feed(0xE2), "");
  EXPECT_EQ(out.feed('a'), "\uFFFDa");
  EXPECT_EQ(out.feed(0xF0), "");
  EXPECT_EQ(out.feed(0x9F), "");
  EXPECT_EQ(out.finish(), "\uFFFD");  // one for the maximal subpart
  EXPECT_EQ(out.finish(), "");
}

TEST(Utf8, RepairsMaximalSubparts) {
  EXPECT_EQ(utf8_repair("a\xC0\xAFz"), "a\uFFFD\uFFFDz");                  // overlong
  EXPECT_EQ(utf8_repair("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(utf8_repair("\xF0\x9F\x98!"), "\uFFFD!");                      // truncated
  EXPECT_EQ(utf8_repair("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_TRUE(utf8_valid("plain ascii, é, 😀"));
  EXPECT_FALSE(utf8_valid("plain ascii \xC3"));
}

}  // namespace
}  // namespace mlxr::text
