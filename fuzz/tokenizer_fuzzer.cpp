// A small vocabulary of one of the four kinds and a text out of any bytes: refused with a sentence, or every id is a token, and a
// vocabulary of BPE that can spell every byte gives the text again.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <deque>

#include "core/text/normal_form.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

using namespace mlxr;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// Keeps the strings that the metadata only points to.
struct Vocabulary {
  std::deque<std::string> kept;
  std::vector<std::string_view> tokens, merges;
  std::vector<std::int64_t> kinds;
  std::vector<float> scores;

  std::string_view keep(std::string text) { return kept.emplace_back(std::move(text)); }
  void add(std::string text, std::int64_t kind, float score) {
    tokens.push_back(keep(std::move(text)));
    kinds.push_back(kind);
    scores.push_back(score);
  }
};

constexpr std::string_view kSpace = "▁";  // how SentencePiece writes a space; it cannot tell the two apart
constexpr std::int64_t kNormal = 1, kByte = 6;

constexpr std::string_view kRules[] = {
    "",
    R"({"normalizer": {"type": "BertNormalizer", "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"}})",
    R"({"normalizer": {"type": "NFKC"}, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first"}, "ignore_merges": true})",
    R"({"normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}, "pre_tokenizer": {"type": "WhitespaceSplit"}})",
    R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Prepend", "prepend": "a"}]},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "MergedWithNext", "invert": true}})",
};

// How byte-level BPE writes a byte.
std::string letter(unsigned byte) {
  const auto shown = [](unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD); };
  unsigned point = byte;
  if (!shown(byte)) {
    point = 256;
    for (unsigned b = 0; b < byte; ++b) point += !shown(b);
  }
  if (point < 0x80) return {static_cast<char>(point)};
  return {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
}

std::string byte_token(unsigned byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

std::string expected(std::string_view text, bool bpe, bool nfc) {
  std::string out = text::utf8_repair(text);
  if (bpe) return nfc ? text::to_normal_form(out, text::NormalForm::kNfc) : out;
  for (auto at = out.find(kSpace); at != std::string::npos; at = out.find(kSpace, at)) out.replace(at, kSpace.size(), " ");
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider in(data, size);
  const auto model = in.PickValueInArray<std::string_view>({"llama", "gpt2", "t5", "bert"});
  const bool bpe = model == "gpt2", spells_all = in.ConsumeBool(), plain = in.ConsumeBool();
  const auto rules = in.ConsumeBool() ? in.PickValueInArray(kRules) : std::string_view();
  Vocabulary v;
  if (spells_all) {
    for (unsigned byte = 0; byte < 256; ++byte) v.add(bpe ? letter(byte) : byte_token(byte), bpe ? kNormal : kByte, 0);
    if (!bpe) v.add(std::string(kSpace), kNormal, 0);
  }
  for (auto n = in.ConsumeIntegralInRange(0, 24); n > 0; --n) {
    v.add(in.ConsumeRandomLengthString(12), plain ? kNormal : in.ConsumeIntegralInRange<std::int64_t>(0, 6),
          in.ConsumeIntegralInRange(-4, 4));
  }
  for (auto n = in.ConsumeIntegralInRange(0, 12); n > 0; --n) v.merges.push_back(v.keep(in.ConsumeRandomLengthString(12)));
  if (bpe && !v.tokens.empty()) {  // and one that may well be right
    v.merges.push_back(v.keep(std::string(in.PickValueInArray({"a b", "Ġ a", "a a", "aa aa"}))));
    for (const char* merged : {"ab", "Ġa", "aa", "aaaa"}) v.add(merged, kNormal, 1);
  }

  formats::Metadata metadata;
  metadata.insert("tokenizer.ggml.model", model);
  if (!rules.empty()) metadata.insert("tokenizer.mlxr.rules", rules);
  metadata.insert("tokenizer.ggml.pre",
                  in.PickValueInArray<std::string_view>({"default", "llama-bpe", "qwen2", "smollm", "deepseek-llm", "nope"}));
  metadata.insert("tokenizer.ggml.tokens", v.tokens);
  metadata.insert("tokenizer.ggml.merges", v.merges);
  metadata.insert("tokenizer.ggml.scores", v.scores);
  metadata.insert("tokenizer.ggml.token_type", v.kinds);
  metadata.insert("tokenizer.ggml.add_space_prefix", !plain);
  const bool nfc = in.ConsumeBool();
  metadata.insert("tokenizer.ggml.normalizer.nfc", nfc);
  if (in.ConsumeBool())
    metadata.insert("tokenizer.mlxr.strips_left", std::vector<std::int64_t>{in.ConsumeIntegralInRange<std::int64_t>(-1, 30)});
  if (in.ConsumeBool()) metadata.insert("tokenizer.ggml.bos_token_id", in.ConsumeIntegral<std::int64_t>());
  if (in.ConsumeBool()) metadata.insert("tokenizer.ggml.unknown_token_id", in.ConsumeIntegralInRange<std::int64_t>(-1, 30));

  const auto tokenizer = text::Tokenizer::from_metadata(metadata);
  if (!tokenizer) return require(!tokenizer.error().message.empty()), 0;
  const bool special = in.ConsumeBool();
  const std::string text = in.ConsumeRemainingBytesAsString();
  const auto ids = (*tokenizer)->encode(text, {.add_special = special, .parse_special = special});
  text::Detokenizer out(**tokenizer);
  std::string said, shown;
  for (const auto id : ids) {
    require(id >= 0 && id < (*tokenizer)->vocab_size());
    said += (*tokenizer)->piece(id);
    shown += out.feed(id);
  }
  shown += out.finish();
  require(text::utf8_valid(shown));
  const bool changes_no_text = rules.empty() && (bpe || model == "llama");
  if (spells_all && plain && !special && changes_no_text) require(said == expected(text, bpe, nfc));
  return 0;
}
