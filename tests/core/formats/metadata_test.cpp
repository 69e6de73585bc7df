#include "core/formats/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mlxr::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Metadata, AnswersOnlyForTheTypeThatIsThere) {
  Metadata m;
  m.insert("n", Value(std::int64_t{7}));
  EXPECT_EQ(m.integer("n"), 7);
  EXPECT_EQ(m.number("n"), 7.0);  // an integer counts as a number
  EXPECT_EQ(m.boolean("n"), std::nullopt);
  EXPECT_EQ(m.string("n"), std::nullopt);
  EXPECT_THAT(m.integers("n"), IsEmpty());
  EXPECT_EQ(m.integer("absent"), std::nullopt);
}

TEST(Metadata, NumbersThatAreNotWholeAreNoIntegers) {
  Metadata m;
  m.insert("x", Value(2.5));
  EXPECT_EQ(m.number("x"), 2.5);
  EXPECT_EQ(m.integer("x"), std::nullopt);
}

TEST(Metadata, ViewsArrays) {
  Metadata m;
  m.insert("words", Value(std::vector<std::string_view>{"a", "b"}));
  m.insert("scores", Value(std::vector<float>{0.5f}));
  EXPECT_THAT(m.strings("words"), ElementsAre("a", "b"));
  EXPECT_THAT(m.floats("scores"), ElementsAre(0.5f));
  EXPECT_THAT(m.floats("words"), IsEmpty());
}

TEST(Metadata, WholeNumbersServeWhereNumbersAreWanted) {
  Metadata m;
  m.insert("whole", Value(std::vector<std::int64_t>{-9, 0}));
  m.insert("broken", Value(std::vector<float>{0.5f}));
  m.insert("words", Value(std::vector<std::string_view>{"a"}));
  m.insert("yes", Value(std::int64_t{1}));
  EXPECT_THAT(m.numbers("whole").value(), ElementsAre(-9.0f, 0.0f));
  EXPECT_THAT(m.numbers("broken").value(), ElementsAre(0.5f));
  EXPECT_EQ(m.numbers("words"), std::nullopt);
  EXPECT_EQ(m.numbers("absent"), std::nullopt);
  EXPECT_EQ(m.boolean("yes"), true);
}

TEST(Metadata, NamesTheKindOfAValue) {
  EXPECT_EQ(kind_of(Value(std::vector<std::string_view>{})), "a list of strings");
  EXPECT_EQ(kind_of(Value(std::int64_t{1})), "an integer");
  EXPECT_EQ(kind_of(Value(std::vector<float>{})), "a list of numbers");
}

TEST(Metadata, KeepsTheFirstValueOfAKey) {
  Metadata m;
  EXPECT_TRUE(m.insert("k", Value(true)));
  EXPECT_FALSE(m.insert("k", Value(false)));
  EXPECT_EQ(m.boolean("k"), true);
  EXPECT_EQ(m.all().size(), 1u);
}

}  // namespace
}  // namespace mlxr::formats
