#include "daemon/routes/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/routes/messages.h"

namespace mlxr::daemon {
namespace {

using testing::HasSubstr;

constexpr Field kFields[] = {
    {.name = "model", .type = FieldType::kString, .required = true},
    {.name = "count", .type = FieldType::kInteger, .low = 1, .high = 9},
    {.name = "heat", .type = FieldType::kNumber, .low = 0},
    unsupported("modalities", R"([["text"], "text"])"),
    unsupported("audio"),
    advisory("user"),
};

ApiError error_of(const std::string& body) {
  const auto checked = check_fields(json::parse(body), kFields);
  return checked ? ApiError{.message = "no error"} : checked.error();
}

TEST(Fields, AcceptsWhatTheTableAllows) {
  EXPECT_EQ(error_of(R"({"model":"m","count":9,"heat":0.5,"modalities":["text"]})").message, "no error");
  EXPECT_EQ(error_of(R"({"model":"m","count":5.0})").message, "no error");
  EXPECT_EQ(error_of(R"({"model":"m","count":null,"audio":null})").message, "no error");
}

TEST(Fields, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(error_of(R"({"model":"m","colour":1})").field, "colour");
  EXPECT_THAT(error_of(R"({"model":"m","count":"3"})").message, HasSubstr("\"count\" must be of type integer"));
  EXPECT_THAT(error_of(R"({"model":"m","count":2.5})").message, HasSubstr("of type integer"));
  EXPECT_THAT(error_of(R"({"model":"m","count":10})").message, HasSubstr("from 1 to 9, not 10"));
  EXPECT_THAT(error_of(R"({"model":"m","heat":-1})").message, HasSubstr("at least 0"));
  EXPECT_THAT(error_of(R"({"count":1})").message, HasSubstr("\"model\" is missing"));
  EXPECT_THAT(error_of(R"({"model":null})").message, HasSubstr("\"model\" is missing"));
}

TEST(Fields, RefusesWhatIsNotSupportedUnlessItAsksForNothing) {
  EXPECT_EQ(error_of(R"({"model":"m","audio":{"voice":"a"}})").code, "unsupported_parameter");
  EXPECT_THAT(error_of(R"({"model":"m","modalities":["audio"]})").message, HasSubstr(R"(except as ["text"] or "text".)"));
  for (const auto* nothing : {"null", "false", "0", "\"\"", "[]", "{}"})
    EXPECT_EQ(error_of(R"({"model":"m","audio":)" + std::string(nothing) + "}").message, "no error") << nothing;
}

TEST(Fields, AcceptsAHintWhateverItsValue) {
  for (const auto* value : {"null", "\"\"", "\"ada\"", "7", "{\"a\":1}"})
    EXPECT_EQ(error_of(R"({"model":"m","user":)" + std::string(value) + "}").message, "no error") << value;
}

TEST(Fields, WritesNumbersOut) {
  static constexpr Field kLarge[] = {{.name = "n", .type = FieldType::kInteger, .low = 1, .high = 1e9}};
  EXPECT_THAT(check_fields(json{{"n", -1}}, kLarge).error().message, HasSubstr("from 1 to 1000000000, not -1"));
  static constexpr Field kOne[] = {{.name = "n", .type = FieldType::kInteger, .low = 1, .high = 1}};
  EXPECT_THAT(check_fields(json{{"n", 2}}, kOne).error().message, HasSubstr("must be 1, not 2"));
}

TEST(Fields, LimitsAnIntegerToTheRangeOfInt) {
  const auto limited = [](const char* text) { return get_limited_int(json::parse(text), "n"); };
  EXPECT_EQ(limited(R"({"n":18446744073709551615})"), std::numeric_limits<int>::max());
  EXPECT_EQ(limited(R"({"n":-9223372036854775808})"), std::numeric_limits<int>::min());
  EXPECT_EQ(limited(R"({"n":1e12})"), std::numeric_limits<int>::max());
  EXPECT_EQ(limited(R"({"n":5.0})"), 5);
  EXPECT_EQ(limited(R"({"n":null})"), std::nullopt);
}

TEST(ParseObject, SaysWhereTheJsonBreaks) {
  EXPECT_THAT(parse_object(R"({"a":1,})").error().message, HasSubstr("byte 8 of 8"));
  EXPECT_EQ(parse_object("[1]").error().status, 400);
  EXPECT_EQ(parse_object("").error().status, 400);
}

TEST(ParseObject, RefusesDeepNesting) {
  const std::string deep = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_THAT(parse_object(deep).error().message, HasSubstr("deeper than 64"));
}

TEST(Messages, JoinsTextPartsAndLowersRoles) {
  const auto messages = read_messages(json::parse(
      R"([{"role":"System","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}])"));
  ASSERT_TRUE(messages) << messages.error().message;
  EXPECT_EQ(*messages, json::parse(R"([{"role":"system","content":"a"},{"role":"user","content":"bc"}])"));
}

TEST(Messages, WithoutContentIsAnEmptyMessage) {
  const auto content_of = [](const char* text) { return (*read_messages(json::parse(text)))[0]["content"]; };
  EXPECT_EQ(content_of(R"([{"role":"assistant","content":null}])"), "");
  EXPECT_EQ(content_of(R"([{"role":"assistant","tool_calls":[]}])"), "");
  EXPECT_EQ(content_of(R"([{"role":"system","content":""}])"), "");
  EXPECT_EQ(read_messages(json::parse(R"([{"role":"user"}])")).error().field, "messages[0].content");
}

TEST(Messages, NamesWhatItCannotRead) {
  const auto field_of = [](const char* text) { return read_messages(json::parse(text)).error().field; };
  EXPECT_EQ(field_of("[]"), "messages");
  EXPECT_EQ(field_of(R"([{"role":"user","content":"a"},{"role":"wizard","content":"b"}])"), "messages[1].role");
  EXPECT_EQ(field_of(R"([{"role":"user","content":[{"type":"image_url"}]}])"), "messages[0].content[0].type");
  EXPECT_EQ(field_of(R"([{"role":"user","content":"a","images":["x"]}])"), "messages[0].images");
}

}  // namespace
}  // namespace mlxr::daemon
