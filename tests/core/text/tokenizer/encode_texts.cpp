// encode_texts MODEL.gguf: reads texts from stdin, prints their token ids.
//
// A request is two bytes of flags ('s': parse_special, 'c': parse_special in text that is all a conversation's, '-': neither; 'b' or '-':
// add_special), a little-endian uint32 length, and that many bytes.
// The answer is a line: the ids, separated by spaces, a tab, and the detokenized text in hex.
// `encode_texts MODEL.gguf --chats` reads contexts of the file's chat template, a line each, and prints the ids of the prompts.
// `encode_texts MODEL.gguf --ends` prints the ids of the tokens that end an answer.
// `encode_texts MODEL.gguf --measure` reads one plain text and prints how long construction and encoding took.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

void measure(const mlxr::formats::Metadata& metadata) {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  double construct = 1e9, encode = 1e9;
  std::size_t count = 0;
  for (int i = 0; i < 5; ++i) {
    auto start = Clock::now();
    const auto tokenizer = mlxr::text::Tokenizer::from_metadata(metadata);
    construct = std::min(construct, milliseconds_since(start));
    if (i == 0) std::printf("first construction %.2f ms\n", construct);
    start = Clock::now();
    count = (*tokenizer)->encode(text).size();
    encode = std::min(encode, milliseconds_since(start));
  }
  std::printf("construction %.2f ms, %zu bytes to %zu tokens in %.2f ms (best of 5)\n", construct, text.size(), count, encode);
}

void print_ids(const std::vector<mlxr::TokenId>& ids) {
  const char* separator = "";
  for (const auto id : ids) std::printf("%s%d", std::exchange(separator, " "), id);
}

// In many spans of two origins: where one ends and the next begins must make no difference.
mlxr::text::MarkedText as_conversation(const std::string& text) {
  mlxr::text::MarkedText out;
  for (std::size_t at = 0; at < text.size(); at += 7)
    out.append(std::string_view(text).substr(at, 7), at % 2 ? mlxr::text::Origin::kContent : mlxr::text::Origin::kQuestion);
  return out;
}

void chats(const mlxr::formats::Metadata& metadata, const mlxr::text::Tokenizer& tokenizer) {
  const auto format = mlxr::text::ChatFormat::make(mlxr::text::chat_templates(metadata), tokenizer);
  for (std::string context; std::getline(std::cin, context);) {
    const auto ids = format ? format->tokens(context, false) : mlxr::fail(format.error());
    if (ids) {
      print_ids(*ids);
    } else {
      std::printf("error: %s", ids.error().message.c_str());
    }
    std::putchar('\n');
  }
}

void ends(const mlxr::text::Tokenizer& tokenizer) {
  std::vector<mlxr::TokenId> ids;
  for (mlxr::TokenId id = 0; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.ends_generation(id)) ids.push_back(id);
  print_ids(ids);
}

void answer(const mlxr::text::Tokenizer& tokenizer) {
  char header[6];
  while (std::cin.read(header, sizeof header)) {
    std::uint32_t size = 0;
    for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(header[2 + i]);
    std::string text(size, '\0');
    std::cin.read(text.data(), size);
    mlxr::text::Detokenizer detokenizer(tokenizer);
    std::string back;
    const mlxr::text::EncodeOptions options{.add_special = header[1] == 'b', .parse_special = header[0] != '-'};
    const auto ids =
        header[0] == 'c' ? tokenizer.encode(as_conversation(mlxr::text::utf8_repair(text)), options) : tokenizer.encode(text, options);
    print_ids(ids);
    for (const auto id : ids) back += detokenizer.feed(id);
    back += detokenizer.finish();
    std::putchar('\t');
    for (const char c : back) std::printf("%02x", static_cast<unsigned char>(c));
    std::putchar('\n');
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: encode_texts MODEL.gguf [--chats | --ends | --measure] < requests\n", stderr), 2;
  const auto checkpoint = mlxr::formats::Checkpoint::open(argv[1]);
  if (!checkpoint) return std::fprintf(stderr, "%s\n", checkpoint.error().message.c_str()), 1;
  if (argc > 2 && std::strcmp(argv[2], "--measure") == 0) return measure((*checkpoint)->metadata()), 0;
  const auto tokenizer = mlxr::text::Tokenizer::from_metadata((*checkpoint)->metadata());
  if (!tokenizer) return std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str()), 1;
  if (argc > 2 && std::strcmp(argv[2], "--chats") == 0) return chats((*checkpoint)->metadata(), **tokenizer), 0;
  if (argc > 2 && std::strcmp(argv[2], "--ends") == 0) return ends(**tokenizer), 0;
  answer(**tokenizer);
}
