#include "platform/crc32c.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace mlxr::platform {
namespace {

std::uint32_t crc(std::string_view text, std::uint32_t before = 0) { return crc32c(std::as_bytes(std::span(text)), before); }

// The examples of RFC 3720, B.4, and the usual check value.
TEST(Crc32c, AgreesWithTheStandard) {
  EXPECT_EQ(crc("123456789"), 0xe3069283u);
  EXPECT_EQ(crc(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc(""), 0u);
}

TEST(Crc32c, PiecesGiveTheSameAsTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t cut : {0u, 1u, 7u, 8u, 9u, 500u, 999u, 1000u})
    EXPECT_EQ(crc(text.substr(cut), crc(text.substr(0, cut))), crc(text));
}

TEST(Crc32c, TwoChecksumsGiveThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t cut : {0u, 1u, 7u, 8u, 9u, 500u, 999u, 1000u})
    EXPECT_EQ(crc32c_of_both(crc(text.substr(0, cut)), crc(text.substr(cut)), text.size() - cut), crc(text)) << cut;
}

TEST(Crc32c, SeesEveryFlippedBit) {
  std::string text(64, 'x');
  const auto whole = crc(text);
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ 1 << bit % 8);
    EXPECT_NE(crc(text), whole);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ 1 << bit % 8);
  }
}

}  // namespace
}  // namespace mlxr::platform
