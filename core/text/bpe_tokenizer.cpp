// Byte-level BPE ("gpt2"): every byte is a letter of a 256-letter alphabet, so any text can be encoded; merges never cross a word.
#include <array>
#include <bit>
#include <string>

#include "core/formats/printable.h"
#include "core/text/bpe_merges.h"
#include "core/text/huggingface_rules.h"
#include "core/text/pretokenizer.h"
#include "core/text/tokenizer_vocabulary.h"
#include "core/text/utf8.h"

namespace mlxr::text {

MergeTable::MergeTable(std::size_t count) : slots_(std::bit_ceil(std::max<std::size_t>(count * 2, 2))) {
  shift_ = static_cast<unsigned>(64 - std::countr_zero(slots_.size()));
}

void MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  const std::uint64_t key = static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  std::size_t at = home(key);
  for (; slots_[at].merge.merged >= 0; at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].key == key) return;
  slots_[at] = {key, merge};
}

MergeTable::Merge MergeTable::find(TokenId left, TokenId right) const {
  const std::uint64_t key = static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  std::size_t at = home(key);
  while (slots_[at].merge.merged >= 0 && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
  return slots_[at].merge;
}

namespace {

// GPT-2's alphabet: printable bytes of Latin-1 stand for themselves, the others for U+0100 and up, in order.
struct Alphabet {
  std::array<std::string, 256> letter;      // UTF-8, one or two bytes
  std::array<std::int16_t, 0x144> byte_of;  // code point -> byte, or -1

  Alphabet() {
    byte_of.fill(-1);
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const unsigned point = printable ? byte : next++;
      byte_of[point] = static_cast<std::int16_t>(byte);
      if (point < 0x80)
        letter[byte] = {static_cast<char>(point)};
      else
        letter[byte] = {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

class ByteLevelBpe final : public VocabularyTokenizer {
 public:
  ByteLevelBpe(Vocabulary vocabulary, WordRules rules, MergeTable merges)
      : VocabularyTokenizer(std::move(vocabulary)), rules_(std::move(rules)), merges_(std::move(merges)) {
    for (std::size_t byte = 0; byte < 256; ++byte) byte_ids_[byte] = vocab_.find(alphabet().letter[byte]).value_or(-1);
  }

 protected:
  void encode_plain(std::string_view text, bool, std::vector<TokenId>& out) const override {
    std::vector<BpeSymbol> symbols;
    std::vector<BpeCandidate> heap;
    std::string spelled;
    const auto normal = rules_.normal(text);
    for (const auto word : rules_.pretokenizer.split(normal)) {
      if (rules_.ignore_merges) {
        spelled.clear();
        for (const char c : word) spelled += alphabet().letter[static_cast<unsigned char>(c)];
        if (const auto id = vocab_.find(spelled)) {
          out.push_back(*id);
          continue;
        }
      }
      encode_word(word, symbols, heap, out);
    }
  }

  std::string plain_piece(TokenId id) const override {
    std::string out;
    for (std::string_view rest = vocab_.text(id); !rest.empty();) {
      const std::size_t length = utf8_step(rest).length;
      const auto first = static_cast<unsigned char>(rest[0]);
      const unsigned point = length == 1 ? first : length == 2 ? (first & 0x1Fu) << 6 | (static_cast<unsigned char>(rest[1]) & 0x3Fu) : ~0u;
      const int byte = point < alphabet().byte_of.size() ? alphabet().byte_of[point] : -1;
      if (byte >= 0)
        out += static_cast<char>(byte);
      else
        out += rest.substr(0, length);  // a token that was added as plain text
      rest.remove_prefix(length);
    }
    return out;
  }

 private:
  void encode_word(std::string_view word, std::vector<BpeSymbol>& symbols, std::vector<BpeCandidate>& heap,
                   std::vector<TokenId>& out) const {
    symbols.clear();
    for (std::size_t i = 0; i < word.size(); ++i) {
      const TokenId id = byte_ids_[static_cast<unsigned char>(word[i])];
      if (id < 0) continue;  // a byte that the vocabulary lacks is dropped, as the reference does
      const auto at = static_cast<std::int32_t>(symbols.size());
      symbols.push_back({id, at - 1, at + 1, static_cast<std::uint32_t>(i), 1});
    }
    if (symbols.empty()) return;
    symbols.back().next = -1;
    if (symbols.size() <= kShortWord) {
      merge_short(symbols);
    } else {
      merge_all(symbols, heap, [this](const BpeSymbol& a, const BpeSymbol& b) {
        const auto merge = merges_.find(a.id, b.id);
        return BpeCandidate{merge.rank, 0, 0, merge.merged};
      });
    }
    for (const auto& symbol : symbols)
      if (symbol.length) out.push_back(symbol.id);
  }

  // Most words are a few letters long: there a scan for the best merge beats a heap.
  void merge_short(std::vector<BpeSymbol>& symbols) const {
    std::array<MergeTable::Merge, kShortWord> merge;  // of symbol i with i + 1
    const auto lookup = [&](std::size_t i) { return merges_.find(symbols[i].id, symbols[i + 1].id); };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) merge[i] = lookup(i);
    while (symbols.size() > 1) {
      std::size_t best = symbols.size();
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        if (merge[i].merged >= 0 && (best == symbols.size() || merge[i].rank < merge[best].rank)) best = i;
      if (best == symbols.size()) return;
      symbols[best].id = merge[best].merged;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
      for (std::size_t i = best + 1; i + 1 < symbols.size(); ++i) merge[i] = merge[i + 1];
      if (best > 0) merge[best - 1] = lookup(best - 1);
      if (best + 1 < symbols.size()) merge[best] = lookup(best);
    }
  }

  static constexpr std::size_t kShortWord = 24;

  WordRules rules_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_ids_;
};

// Merges whose two tokens or whose result the vocabulary lacks are left out, with a warning: nothing could ever apply them.
Result<MergeTable> read_merges(std::span<const std::string_view> merges, Vocabulary& vocabulary) {
  std::vector<std::string_view> halves(merges.size() * 2);
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::size_t space = std::min(merges[rank].find(' ', 1), merges[rank].size());  // a letter of the alphabet is never a space
    halves[rank * 2] = merges[rank].substr(0, space);
    halves[rank * 2 + 1] = merges[rank].substr(std::min(space + 1, merges[rank].size()));
  }
  std::vector<TokenId> ids(halves.size());
  vocabulary.find_all(halves, ids);

  MergeTable table(merges.size());
  std::string joined;
  TokenId expected = -1;
  std::size_t left_out = 0, first_left_out = 0;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const TokenId left = ids[rank * 2], right = ids[rank * 2 + 1];
    joined.assign(halves[rank * 2]).append(halves[rank * 2 + 1]);
    // Most vocabularies list merged tokens in the order of their merges: look there before searching.
    const bool in_order = vocabulary.contains(expected) && vocabulary.text(expected) == joined;
    const TokenId merged = in_order ? expected : vocabulary.find(joined).value_or(-1);
    if (left < 0 || right < 0 || merged < 0 || halves[rank * 2 + 1].empty()) {
      if (left_out++ == 0) first_left_out = rank;
      continue;
    }
    table.insert(left, right, {static_cast<std::uint32_t>(rank), merged});
    expected = merged + 1;
  }
  if (left_out == 0) return table;
  const std::string first = "merge " + std::to_string(first_left_out) + " (" + formats::printable(merges[first_left_out]) + ")";
  if (left_out == merges.size())
    return fail(ErrorCode::kCorrupt, "The model file is damaged: none of its merges joins two tokens of its vocabulary to a third, as " +
                                         first + " should. Download it again.");
  vocabulary.warn(std::to_string(left_out) + " of " + std::to_string(merges.size()) +
                  " merges name tokens that the vocabulary lacks, the first is " + first + "; they are ignored.");
  return table;
}

// How the file says that text is cut: in tokenizer.json's words, or by a name.
Result<WordRules> rules_for(const formats::Metadata& metadata, const PretokenizerRules& named) {
  auto own = huggingface_rules(metadata);
  if (!own) return fail(own.error());
  if (*own) {
    if (!(*own)->byte_level)
      return fail(ErrorCode::kUnsupported,
                  "MLXR cannot run this model yet: its tokenizer is byte-level BPE without the pre-tokenizer ByteLevel.");
    return *std::move(*own);
  }
  auto pretokenizer = Pretokenizer::compile(named.patterns, named.threes);
  if (!pretokenizer) return fail(pretokenizer.error());
  WordRules rules;
  if (metadata.boolean("tokenizer.ggml.normalizer.nfc").value_or(named.nfc)) rules.normalizer = Normalizer::nfc();
  rules.pretokenizer = *std::move(pretokenizer);
  rules.byte_level = true;
  rules.ignore_merges = named.ignore_merges;
  return rules;
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> make_byte_level_bpe(const formats::Metadata& metadata) {
  const auto pre = metadata.string("tokenizer.ggml.pre");
  const bool named = !metadata.find(kRulesKey);
  const auto rules = named ? pretokenizer_rules(pre.value_or("default")) : PretokenizerRules();
  if (!rules) return fail(rules.error());
  auto words = rules_for(metadata, *rules);
  if (!words) return fail(words.error());
  auto vocabulary = Vocabulary::from_metadata(metadata, {.bos = {}, .eos = {}, .add_bos = rules->add_bos, .add_eos = false});
  if (!vocabulary) return fail(vocabulary.error());
  if (!pre)
    vocabulary->warn(
        "The model file does not name its pre-tokenizer (tokenizer.ggml.pre). MLXR uses the default one; if it is the wrong one, answers "
        "get worse.");
  const auto list = metadata.strings("tokenizer.ggml.merges");
  if (list.empty())
    return fail(ErrorCode::kCorrupt, "The model file has no merges: tokenizer.ggml.merges is missing or empty. Use a complete file.");
  auto merges = read_merges(list, *vocabulary);
  if (!merges) return fail(merges.error());
  return std::make_unique<const ByteLevelBpe>(std::move(*vocabulary), *std::move(words), std::move(*merges));
}

}  // namespace mlxr::text
