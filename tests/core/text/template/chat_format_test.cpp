#include "core/text/chat_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../tokenizer/small_models.h"

namespace mlxr::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
constexpr std::string_view kParts =
    "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}A:";

class ChatFormatTest : public testing::Test {
 protected:
  Result<ChatFormat> make(ChatTemplates sources) { return ChatFormat::make(sources, *tokenizer_); }
  Result<ChatFormat> make(std::string_view source) { return make({.standard = source, .with_tools = {}}); }
  std::string text(std::string_view source, std::string_view context, bool continues = false) {
    return text(ChatTemplates{.standard = source, .with_tools = {}}, context, continues);
  }
  std::string text(ChatTemplates sources, std::string_view context, bool continues = false) {
    const auto format = make(sources);
    if (!format) return format.error().message;
    const auto prompt = format->text(context, continues);
    return prompt ? prompt->bytes() : prompt.error().message;
  }

  const formats::Metadata metadata_ = BpeModel{}.metadata();
  const std::unique_ptr<const Tokenizer> tokenizer_ = Tokenizer::from_metadata(metadata_).value();
};

TEST_F(ChatFormatTest, AModelWithoutATemplateWritesPlainTurns) {
  EXPECT_EQ(text("", R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true})"), "User: Hi\nAssistant:");
}

TEST_F(ChatFormatTest, GivesATemplateTheFormOfContentThatItPrints) {
  constexpr std::string_view kHello = R"({"messages": [{"role": "user", "content": "hello"}]})";
  EXPECT_EQ(text(kParts, kHello), "helloA:");
  EXPECT_EQ(text(kParts, R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]})"), "helloA:");
}

TEST_F(ChatFormatTest, RefusesATemplateThatPrintsNoMessage) {
  const auto format = make("{{ bos_token }}A:");
  ASSERT_FALSE(format);
  EXPECT_EQ(format.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(format.error().message, HasSubstr("prints a user's message neither from a string nor from parts"));
}

// As transformers: a request with tools gets the template called "tool_use", where the model has one.
TEST_F(ChatFormatTest, RequestsWithToolsHaveATemplateOfTheirOwn) {
  constexpr ChatTemplates kBoth = {.standard = "{{ messages[0].content }} alone",
                                   .with_tools = "{{ messages[0].content }} with {{ tools | length }}"};
  constexpr ChatTemplates kOne = {.standard = kBoth.standard, .with_tools = {}};
  constexpr std::string_view kTools = R"({"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "a"}]})";
  EXPECT_EQ(text(kBoth, kTools), "Hi with 1");
  EXPECT_EQ(text(kBoth, R"({"messages": [{"role": "user", "content": "Hi"}], "tools": []})"), "Hi with 0");
  EXPECT_EQ(text(kBoth, R"({"messages": [{"role": "user", "content": "Hi"}], "tools": null})"), "Hi alone");
  EXPECT_EQ(text(kBoth, R"({"messages": [{"role": "user", "content": "Hi"}]})"), "Hi alone");
  EXPECT_EQ(text(kOne, kTools), "Hi alone");
}

TEST_F(ChatFormatTest, ABadTemplateForToolsRefusesRequestsWithToolsAlone) {
  constexpr ChatTemplates kBad = {.standard = "{{ messages[0].content }}", .with_tools = "{{ messages[0].content"};
  EXPECT_EQ(text(kBad, R"({"messages": [{"role": "user", "content": "Hi"}]})"), "Hi");
  EXPECT_THAT(text(kBad, R"({"messages": [{"role": "user", "content": "Hi"}], "tools": []})"),
              HasSubstr("MLXR cannot use this model's chat template, line 1"));
}

// transformers gives a template None for them; a test "is not none" would succeed for names that do not exist.
TEST_F(ChatFormatTest, WithoutToolsAndDocumentsTheyAreNone) {
  EXPECT_EQ(text("{{ messages[0].content }} {{ tools is none }} {{ documents is none }} {{ add_generation_prompt }}",
                 R"({"messages": [{"role": "user", "content": "Hi"}]})"),
            "Hi True True False");
}

TEST_F(ChatFormatTest, WhatAModelThoughtHasTheNamesThatTemplatesLookFor) {
  constexpr std::string_view kBoth = "{% for m in messages %}{{ m.content }}|{{ m.reasoning_content }}|{{ m.thinking }};{% endfor %}";
  const auto render = [&](const std::string& fields) {
    return text(kBoth, R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b")" + fields + "}]}");
  };
  EXPECT_EQ(render(""), "a||;b||;");
  EXPECT_EQ(render(R"(, "reasoning": "hm")"), "a||;b|hm|hm;");
  EXPECT_EQ(render(R"(, "thinking": "hm")"), "a||;b|hm|hm;");
  EXPECT_EQ(render(R"(, "reasoning_content": "hm")"), "a||;b|hm|hm;");
  EXPECT_EQ(render(R"(, "reasoning_content": null, "thinking": "hm")"), "a||;b|hm|hm;");
  EXPECT_EQ(render(R"(, "reasoning_content": "first", "thinking": "second")"), "a||;b|first|second;");
}

TEST_F(ChatFormatTest, ATemplateThatRefusesABareMessageMayStillSuitOthers) {
  constexpr std::string_view kNeedsSystem =
      "{% if messages[0].role != 'system' %}{{ raise_exception('A system message comes first') }}{% endif %}"
      "{% for m in messages %}{{ m.content }};{% endfor %}";
  EXPECT_EQ(text(kNeedsSystem, R"({"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]})"), "a;b;");
  EXPECT_THAT(text(kNeedsSystem, R"({"messages": [{"role": "user", "content": "b"}]})"), HasSubstr("A system message comes first"));
}

TEST_F(ChatFormatTest, NeverLosesTheQuestion) {
  constexpr std::string_view kFirstOnly = "{{ messages[0].content }}";
  EXPECT_EQ(text(kFirstOnly, R"({"messages": [{"role": "user", "content": "a"}]})"), "a");
  EXPECT_THAT(text(kFirstOnly, R"({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]})"),
              HasSubstr("leaves out the last user message"));
  EXPECT_EQ(text(kFirstOnly, R"({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": " "}]})"), "a");
}

TEST_F(ChatFormatTest, ContinuesTheLastMessageWhereItsContentEnds) {
  constexpr std::string_view kPrefilled =
      R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Sure,"}], "add_generation_prompt": true})";
  EXPECT_EQ(text(kChatMl, kPrefilled, true), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nSure,");
  EXPECT_EQ(text(kChatMl, kPrefilled, false),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nSure,<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(text("", kPrefilled, true), "User: Hi\nAssistant: Sure,");
  EXPECT_EQ(text(kParts, kPrefilled, true), "HiSure,");
}

TEST_F(ChatFormatTest, ALastMessageWithTheTextOfAnEarlierOneIsStillTheLast) {
  EXPECT_EQ(text(kChatMl, R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]})", true),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHi");
}

TEST_F(ChatFormatTest, ContinuingAnEmptyMessageBeginsTheAnswer) {
  for (const std::string content : {R"("")", R"(" \n")", R"([])", R"([{"type": "text", "text": ""}])", "null"})
    EXPECT_EQ(
        text(kChatMl, R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": )" + content + "}]}", true),
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        << content;
}

TEST_F(ChatFormatTest, OnlyAnAssistantsMessageCanBeContinued) {
  EXPECT_THAT(text(kChatMl, R"({"messages": [{"role": "user", "content": "Hi"}]})", true), HasSubstr("can be continued"));
  EXPECT_THAT(text(kChatMl, R"({"messages": []})", true), HasSubstr("can be continued"));
  EXPECT_THAT(text(kChatMl, "{}", true), HasSubstr("no messages"));
}

TEST_F(ChatFormatTest, WhatMessagesSayIsNeverAControlToken) {
  const auto format = make("{% for m in messages %}he{{ m.content }}<|im_end|>{% endfor %}");
  EXPECT_THAT(format->tokens(R"({"messages": [{"role": "user", "content": "llo<|im_end|>o"}]})", false).value(),
              ElementsAre(7, 1, 3, 8));  // of "<|im_end|>" the vocabulary knows the "e"
}

TEST_F(ChatFormatTest, RolesMaySpellTheTemplatesTokens) {
  const auto format = make("{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}");  // <tool>, id 9
  EXPECT_EQ(format->text(R"({"messages": [{"role": "tool", "content": "x"}]})", false)->content().front(), (Span{6, 7, Origin::kContent}));
  EXPECT_EQ(format->text(R"({"messages": [{"role": "im_end", "content": "x"}]})", false)->content().front(),
            (Span{1, 7, Origin::kContent}));
}

// The origins that each operation leaves: capitals for the conversation's text, `.` for the template's.
std::string origins(std::string_view expression) {
  const auto program = ChatTemplate::parse("{{ " + std::string(expression) + " }}");
  const auto text = program->render(R"({"u": " Ab-Cd ", "l": ["Ab", "Cd"], "d": {"Kk": "Vv"}})");
  if (!text) return text.error().message;
  std::string out = text->bytes();
  for (std::size_t i = 0; i < out.size(); ++i)
    if (text->origin_at(i) == Origin::kTemplate) out[i] = '.';
  return out;
}

TEST(Origins, SurviveEveryOperationOnText) {
  EXPECT_EQ(origins("u"), " Ab-Cd ");
  EXPECT_EQ(origins("'x' ~ u ~ 'y'"), ". Ab-Cd .");
  EXPECT_EQ(origins("'x' + u + 'y'"), ". Ab-Cd .");
  EXPECT_EQ(origins("u * 2"), " Ab-Cd  Ab-Cd ");
  EXPECT_EQ(origins("u | trim"), "Ab-Cd");
  EXPECT_EQ(origins("('x' ~ u).strip('x ')"), "Ab-Cd");
  EXPECT_EQ(origins("('x' ~ u)[1:4]"), " Ab");
  EXPECT_EQ(origins("('x' ~ u)[::-1]"), " dC-bA .");
  EXPECT_EQ(origins("('x' ~ u)[2]"), "A");
  EXPECT_EQ(origins("('x' ~ u) | reverse"), " dC-bA .");
  EXPECT_EQ(origins("('x' ~ u) | upper"), ". AB-CD ");
  EXPECT_EQ(origins("('é' ~ u).lower() ~ 'y'").substr(2), " ab-cd .");
  EXPECT_EQ(origins("('x' ~ u) | title"), ". Ab-Cd ");
  EXPECT_EQ(origins("('x' ~ u).swapcase()"), ". aB-cD ");
  EXPECT_EQ(origins("u.split('-') | join('|')"), " Ab.Cd ");
  EXPECT_EQ(origins("'x|y' | replace('|', u)"), ". Ab-Cd .");
  EXPECT_EQ(origins("u | replace('-', '+')"), " Ab.Cd ");
  EXPECT_EQ(origins("u.partition('-')[2]"), "Cd ");
  EXPECT_EQ(origins("'|'.join(l)"), "Ab.Cd");
  EXPECT_EQ(origins("l"), "..Ab....Cd..");
  EXPECT_EQ(origins("d"), "..Kk....Vv..");
  EXPECT_EQ(origins("d | tojson"), "..Kk....Vv..");
  EXPECT_EQ(origins("d.items() | first | last"), "Vv");
  EXPECT_EQ(origins("'<%s>' % u"), ". Ab-Cd .");
  EXPECT_EQ(origins("'<{}>'.format(u)"), ". Ab-Cd .");
  EXPECT_EQ(origins("u.center(9)"), ". Ab-Cd .");
  EXPECT_EQ(origins("('x' ~ u) | truncate(4, true, '!', 0)"), ". A.");
  EXPECT_EQ(origins("('<' ~ u) | escape"), ".... Ab-Cd ");
  EXPECT_EQ(origins("('x\\n' ~ u) | indent(1)"), "... Ab-Cd ");
  EXPECT_EQ(origins("('x\\n' ~ u).splitlines()[1]"), " Ab-Cd ");
  EXPECT_EQ(origins("u.removeprefix(' ')"), "Ab-Cd ");
  EXPECT_EQ(origins("u | list | first ~ u | last"), "  ");
  EXPECT_EQ(origins("l | sort | first"), "Ab");
  EXPECT_EQ(origins("l | map('upper') | join"), "ABCD");
  EXPECT_EQ(origins("namespace(a=u).a"), " Ab-Cd ");
  EXPECT_EQ(origins("dict(a=u).a | string"), " Ab-Cd ");
}

TEST(Origins, SurviveBlocksAndMacros) {
  const auto program = ChatTemplate::parse(
      "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set s %}[{{ u }}]{% endset %}{{ s }}{{ m(u) }}{% filter upper %}a{{ u }}{% endfilter %}");
  const auto text = program->render(R"({"u": "b"})");
  EXPECT_EQ(text->bytes(), "[b]<b>AB");
  EXPECT_THAT(std::vector(text->content().begin(), text->content().end()),
              ElementsAre(Span{1, 2, Origin::kContent}, Span{4, 5, Origin::kContent}, Span{7, 8, Origin::kContent}));
}

}  // namespace
}  // namespace mlxr::text
