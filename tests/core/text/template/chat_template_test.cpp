#include "core/text/chat_template.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace mlxr::text {
namespace {

Result<std::string> render(std::string_view source, std::string_view context = "{}", const RenderLimits& limits = {}) {
  auto parsed = ChatTemplate::parse(source);
  if (!parsed) return fail(parsed.error());
  return parsed->render(context, limits);
}

Error error_of(std::string_view source, std::string_view context = "{}", const RenderLimits& limits = {}) {
  const auto result = render(source, context, limits);
  return result ? Error{ErrorCode::kInternal, "rendered: " + result->substr(0, 100)} : result.error();
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

constexpr std::string_view kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

TEST(ChatTemplate, TurnsMessagesIntoAPrompt) {
  const auto prompt = render(kChatMl, R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true})");
  ASSERT_TRUE(prompt) << prompt.error().message;
  EXPECT_EQ(*prompt, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, KeepsTheOrderOfKeys) {
  EXPECT_EQ(render("{{ t | tojson }}", R"({"t": {"z": 1, "a": 2}})").value(), R"({"z": 1, "a": 2})");
}

TEST(ChatTemplate, WhatTheUserWroteIsNeverATemplate) {
  EXPECT_EQ(render("{{ t }}", R"({"t": "{{ 1 + 1 }}{% raise %}"})").value(), "{{ 1 + 1 }}{% raise %}");
}

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("a\nb\n{{ raise_exception('Roles must alternate') }}").message, "chat template, line 3: Roles must alternate");
  EXPECT_EQ(error_of("a\n{{ missing.name }}").message, "chat template, line 2: 'missing' is undefined");
  EXPECT_EQ(error_of("a\n{% if x %}").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of("{{ 1 }}", "[1]").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of("{{ 1 }}", "not json").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of("\xff").code, ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, IntegersThatDoNotFitAreErrorsNotWrongNumbers) {
  for (const char* source :
       {"{{ 10 ** 30 }}", "{{ 9223372036854775807 + 1 }}", "{{ 9223372036854775808 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ 4611686018427387904 * 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) | abs }}"})
    EXPECT_EQ(error_of(source).code, ErrorCode::kInvalidArgument) << source;
}

TEST(ChatTemplate, ValuesCannotBeChanged) {
  for (const char* source : {"{{ t.append(1) }}", "{{ d.update({'a': 1}) }}", "{{ d.pop('k') }}", "{% set d.k = 2 %}"})
    EXPECT_EQ(error_of(source, R"({"t": [], "d": {"k": 1}})").code, ErrorCode::kInvalidArgument) << source;
}

TEST(ChatTemplate, AHostileTemplateIsStopped) {
  for (const char* source : {
           "{{ 'a' * 10 ** 9 }}",
           "{{ [0] * 10 ** 9 }}",
           "{{ range(10 ** 9) }}",
           "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
           "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}",
           "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
           "{{ '%9999999d' % 1 }}",
           "{{ 'a'.center(10 ** 12) }}",
           "{{ 'aaaaaaaaaa'.replace('', 'b' * 10 ** 7) }}",
       })
    EXPECT_EQ(error_of(source).code, ErrorCode::kUnsupported) << source;
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  EXPECT_EQ(error_of("{{ 'a' * 100 }}", "{}", {.output_bytes = 99}).code, ErrorCode::kUnsupported);
  EXPECT_EQ(render("{{ 'a' * 100 }}", "{}", {.output_bytes = 100}).value().size(), 100u);
  EXPECT_EQ(error_of("{% for i in range(100) %}{{ i }}{% endfor %}", "{}", {.steps = 50}).code, ErrorCode::kUnsupported);
  EXPECT_EQ(error_of("{% for i in range(100) %}{{ i }}{% endfor %}", "{}", {.time = std::chrono::milliseconds(-1)}).code,
            ErrorCode::kUnsupported);
}

TEST(ChatTemplate, DeepNestingIsRefusedNotACrash) {
  constexpr int kDeep = 100000;
  for (const std::string& source :
       {"{{ " + repeated("(", kDeep) + " }}", "{{ " + repeated("[", kDeep) + " }}", "{{ " + repeated("not ", kDeep) + "1 }}",
        "{{ " + repeated("-", kDeep) + "1 }}", "{{ 1" + repeated("+1", kDeep) + " }}", "{{ x" + repeated(".a", kDeep) + " }}",
        "{{ x" + repeated("|e", kDeep) + " }}", "{{ 1" + repeated(" if 1 else 1", kDeep) + " }}", repeated("{% if 1 %}", kDeep),
        repeated("{% for a in b %}", kDeep), "{% set " + repeated("(", kDeep) + " = 1 %}", "{{ 1" + repeated(" is eq 1", kDeep) + " }}"})
    EXPECT_EQ(error_of(source).code, ErrorCode::kInvalidArgument) << source.substr(0, 40);
  EXPECT_EQ(error_of("{{ x }}", "{\"x\": " + repeated("[", 5000) + repeated("]", 5000) + "}").code, ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, ManyThreadsMayRenderOneTemplate) {
  const auto shared = ChatTemplate::parse(kChatMl);
  ASSERT_TRUE(shared);
  std::vector<std::string> prompts(4);
  std::vector<std::thread> threads;
  for (std::string& prompt : prompts)
    threads.emplace_back([&] { prompt = shared->render(R"({"messages": [{"role": "user", "content": "Hi"}]})").value_or("failed"); });
  for (std::thread& t : threads) t.join();
  for (const std::string& prompt : prompts) EXPECT_EQ(prompt, "<|im_start|>user\nHi<|im_end|>\n");
}

}  // namespace
}  // namespace mlxr::text
