// Any text as a chat template, rendered with a usual conversation or with the JSON that follows a zero byte: a text whose marks are in
// order, or an error; either within the limits that were set.
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "core/text/chat_template.h"
#include "core/text/utf8.h"

using namespace mlxr::text;

namespace {

constexpr std::string_view kConversation =
    R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b> ü 😀"},
  {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1.5, "y": [null, true]}}}]},
  {"role": "tool", "name": "f", "content": "42"}], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
  "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>"})";
constexpr RenderLimits kLimits{.output_bytes = 1 << 16, .steps = 20'000, .time = std::chrono::milliseconds(500)};
constexpr double kSeconds = 5;  // of processor time: ten times the limit, because the instrumented program is slow

bool marks_are_in_order(const MarkedText& text) {
  std::size_t at = 0;
  for (const Span& span : text.content()) {
    if (span.begin < at || span.end <= span.begin || span.origin == Origin::kTemplate) return false;
    at = span.end;
  }
  return at <= text.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\0');
  const std::clock_t start = std::clock();
  const auto parsed = ChatTemplate::parse(input.substr(0, end));
  if (!parsed) {
    if (parsed.error().message.empty()) std::abort();
    return 0;
  }
  const RenderOptions options{.content_as_parts = size % 2 == 1, .continue_final_message = size % 3 == 1, .limits = kLimits};
  const auto output = parsed->render(end == std::string_view::npos ? kConversation : input.substr(end + 1), options);
  if (static_cast<double>(std::clock() - start) > kSeconds * CLOCKS_PER_SEC) std::abort();
  if (output && !marks_are_in_order(*output)) std::abort();
  if (output ? output->size() > kLimits.output_bytes || !utf8_valid(output->bytes()) : output.error().message.empty()) std::abort();
  return 0;
}
