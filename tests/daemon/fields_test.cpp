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
    unsupported("tools", "[]"),
    unsupported("audio"),
};

ApiError error_of(const std::string& body) {
  const auto checked = check_fields(json::parse(body), kFields);
  return checked ? ApiError{.message = "no error"} : checked.error();
}

TEST(Fields, AcceptsWhatTheTableAllows) {
  EXPECT_EQ(error_of(R"({"model":"m","count":9,"heat":0.5,"tools":[]})").message, "no error");
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
  EXPECT_EQ(error_of(R"({"model":"m","tools":[{}]})").code, "unsupported_parameter");
  EXPECT_EQ(error_of(R"({"model":"m","audio":{}})").code, "unsupported_parameter");
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

TEST(Messages, NamesWhatItCannotRead) {
  const auto field_of = [](const char* text) { return read_messages(json::parse(text)).error().field; };
  EXPECT_EQ(field_of("[]"), "messages");
  EXPECT_EQ(field_of(R"([{"role":"user","content":"a"},{"role":"wizard","content":"b"}])"), "messages[1].role");
  EXPECT_EQ(field_of(R"([{"role":"user","content":[{"type":"image_url"}]}])"), "messages[0].content[0].type");
  EXPECT_EQ(field_of(R"([{"role":"user","content":"a","images":["x"]}])"), "messages[0].images");
}

}  // namespace
}  // namespace mlxr::daemon
