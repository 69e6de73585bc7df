#include "core/text/tokenizer_specials.h"

#include <gtest/gtest.h>

namespace mlxr::text {
namespace {

TEST(SpecialTokens, FindsTheLeftmostAndThereTheLongest) {
  const std::string_view texts[] = {"<a>", "<a>b", "<", "", "\xFF"};
  const SpecialTokens specials(texts, {0, 1, 2, 3, 4});
  const auto id_at = [&](std::string_view text, std::size_t from = 0) { return specials.next(text, from).value().id; };
  EXPECT_EQ(id_at("x<a>b"), 1);
  EXPECT_EQ(id_at("x<a>c"), 0);
  EXPECT_EQ(id_at("x<a"), 2);
  EXPECT_EQ(id_at("\xFF<"), 4);
  EXPECT_EQ(id_at("<\xFF", 1), 4);
  EXPECT_FALSE(specials.next("plain", 0));
}

}  // namespace
}  // namespace mlxr::text
