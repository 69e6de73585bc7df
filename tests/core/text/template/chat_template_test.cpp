#include "core/text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>
#include <thread>
#include <vector>

namespace mlxr::text {
namespace {

Result<std::string> render(std::string_view source, std::string_view context = "{}", const RenderLimits& limits = {}) {
  auto parsed = ChatTemplate::parse(source);
  if (!parsed) return fail(parsed.error());
  const auto text = parsed->render(context, {.limits = limits});
  if (!text) return fail(text.error());
  return text->bytes();
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
           "{% macro m() %}{{ 'a' * 10 ** 7 }}{{ m() }}{% endmacro %}{{ m() }}",
       })
    EXPECT_EQ(error_of(source).code, ErrorCode::kUnsupported) << source;
}

// Without a limit on time: the work within one node counts as steps too, so the limit on steps ends it.
TEST(ChatTemplate, WorkWithinOneNodeIsBounded) {
  constexpr RenderLimits kForEver{.steps = 500'000, .time = std::chrono::hours(1)};
  const std::string doubled =  // two lists of 2^80 equal leaves, which share their parts
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(80) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor "
      "%}";
  const std::string tuples =
      "{% set ns = namespace(a=(1,), b=(1,)) %}{% for i in range(80) %}{% set ns.a = (ns.a, ns.a) %}{% set ns.b = (ns.b, ns.b) %}{% endfor "
      "%}";
  for (const std::string& source : {
           doubled + "{{ ns.a == ns.b }}",
           doubled + "{{ ns.a < ns.b }}",
           doubled + "{{ ns.a in [ns.b] }}",
           doubled + "{{ [ns.b].index(ns.a) }}",
           doubled + "{{ ns.a | string }}",
           doubled + "{{ ns.a | tojson }}",
           doubled + "{{ [ns.a, ns.b] | sort }}",
           doubled + "{% for x in [ns.a, ns.b] %}{{ loop.changed(x) }}{% endfor %}",
           tuples + "{{ {ns.a: 1} }}",
           tuples + "{{ [ns.a] | unique | list }}",
       })
    EXPECT_EQ(error_of(source, "{}", kForEver).code, ErrorCode::kUnsupported) << source;
}

// These took the product of two lengths, or work per character that only long texts show; each is now done at once.
TEST(ChatTemplate, SearchingIsLinear) {
  const std::string head = "{% set text = 'a' * 1600000 %}{% set word = 'a' * 800000 ~ 'b' %}";
  for (const std::string& expression :
       {std::string("text.find(word)"), std::string("text.rfind('b' ~ 'a' * 800000)"), std::string("word in text"),
        std::string("text.count(word)"), std::string("text.replace(word, '') | length"), std::string("text.split(word) | length"),
        std::string("text.rsplit(word) | length"), std::string("text.partition(word) | length"), std::string("('中' * 2000000).isupper()"),
        std::string("text.strip('b' * 800000 ~ 'a') | length")})
    EXPECT_TRUE(render(head + "{{ " + expression + " }}", "{}", {.time = std::chrono::seconds(10)})) << expression;  // took 22 s, each
}

TEST(ChatTemplate, ManyKeysAreReadAtOnce) {
  std::string context = "{";
  for (int i = 0; i < 200'000; ++i) context += "\"k" + std::to_string(i) + "\": 1, ";
  EXPECT_EQ(render("{{ last }}", context + "\"last\": 2}", {.time = std::chrono::seconds(10)}).value(), "2");  // took a minute
}

TEST(ChatTemplate, ItsSourceIsBounded) {
  const auto tried = ChatTemplate::parse(repeated("{{1}}", (1 << 20) / 5 + 1));
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(tried.error().message, testing::HasSubstr("1048576"));
}

void on_a_small_stack(const std::function<void()>& work) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::size_t kStack = 4 << 20;  // their frames are several times as large
#else
  constexpr std::size_t kStack = 256 << 10;  // half of a thread's stack on macOS
#endif
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_t thread;
  const auto run = [](void* argument) -> void* { return (*static_cast<const std::function<void()>*>(argument))(), nullptr; };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&work)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(ChatTemplate, NestingFitsASmallStack) {
  const std::string macro = "{% macro m(x) %}", call = "{% endmacro %}{{ m(1) }}";
  const std::string recursive[] = {
      macro + "{{ m(x) }}" + call,
      macro + "{{ m(m(m(x))) }}" + call,
      macro + "{{ " + repeated("not ", 50) + "m(x) }}" + call,
      macro + "{{ " + repeated("[", 25) + "m(x)" + repeated("]", 25) + " }}" + call,
      macro + "{{ 1 " + repeated("+ 1 ", 90) + "+ m(x) }}" + call,
      macro + "{{ x if m(x) is eq(1) else {'a': m(x)}.a | upper }}" + call,
      macro + "{% for i in [1] %}{{ m(x) }}{% endfor %}" + call,
      macro + repeated("{% if true %}", 50) + "{{ m(x) }}" + repeated("{% endif %}", 50) + call,
      macro + repeated("{% for i in [1] %}", 50) + "{{ m(x) }}" + repeated("{% endfor %}", 50) + call,
      macro + "{% set y %}{{ m(x) }}{% endset %}{{ y }}" + call,
      macro + "{% filter upper %}{{ m(x) }}{% endfilter %}" + call,
      macro + "{{ caller }}{% call m(x) %}{{ x }}{% endcall %}" + call,
      macro + "{% with a = m(x) %}{{ a }}{% endwith %}" + call,
      macro + "{{ [x] | map('upper') | map('replace', m(x), 'b') | join }}" + call,
      "{% for i in [1] recursive %}{{ loop([i]) }}{% endfor %}",
  };
  on_a_small_stack([&] {
    for (const std::string& source : recursive)
      EXPECT_THAT(error_of(source).message, testing::HasSubstr("nested too deeply")) << source.substr(0, 80);
    for (const std::string& source :
         {"{{ " + repeated("(", 28) + "1" + repeated(")", 28) + " }}", "{{ " + repeated("[", 28) + "1" + repeated("]", 28) + " }}",
          repeated("{% if true %}", 58) + repeated("{% endif %}", 58),
          "{{ " + repeated("f(", 28) + "1" + repeated(")", 28) + " is defined }}"})
      EXPECT_TRUE(ChatTemplate::parse(source)) << source.substr(0, 80);
    for (const std::string expression : {"ns.l | string", "ns.l == ns.m", "ns.l | tojson", "{ns.t: 1}", "ns.t < ns.t"})
      EXPECT_TRUE(
          render("{% set ns = namespace(l=[], m=[], t=()) %}{% for i in range(90) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}"
                 "{% set ns.t = (ns.t,) %}{% endfor %}{{ " +
                 expression + " }}"))
          << expression;
  });
}

TEST(ChatTemplate, OrdinaryRecursionHasRoom) {
  // A schema 20 levels deep, through the kind of macro that writes tools as TypeScript.
  std::string schema = R"({"type": "string"})";
  for (int i = 0; i < 20; ++i) schema = R"({"type": "object", "properties": {"p": )" + schema + "}}";
  constexpr std::string_view kSource =
      "{% macro t(s) %}{% if s.type == 'object' %}{ {% for k, v in s.properties.items() %}{{ k + ': ' + t(v) }}{% endfor %} }"
      "{% else %}{{ s.type }}{% endif %}{% endmacro %}{{ t(schema) }}";
  EXPECT_THAT(render(kSource, R"({"schema": )" + schema + "}").value(), testing::HasSubstr("p: string"));
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  EXPECT_EQ(error_of("{{ 'a' * 100 }}", "{}", {.output_bytes = 99}).code, ErrorCode::kUnsupported);
  EXPECT_EQ(render("{{ 'a' * 100 }}", "{}", {.output_bytes = 100}).value().size(), 100u);
  EXPECT_EQ(error_of("{% for i in range(100) %}{{ i }}{% endfor %}", "{}", {.steps = 50}).code, ErrorCode::kUnsupported);
  EXPECT_EQ(error_of("{% for i in range(100) %}{{ i }}{% endfor %}", "{}", {.time = std::chrono::milliseconds(-1)}).code,
            ErrorCode::kUnsupported);
}

TEST(ChatTemplate, DeepNestingIsRefusedNotACrash) {
  constexpr int kDeep = 50000;
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
    threads.emplace_back([&] { prompt = shared->render(R"({"messages": [{"role": "user", "content": "Hi"}]})").value().bytes(); });
  for (std::thread& t : threads) t.join();
  for (const std::string& prompt : prompts) EXPECT_EQ(prompt, "<|im_start|>user\nHi<|im_end|>\n");
}

}  // namespace
}  // namespace mlxr::text
