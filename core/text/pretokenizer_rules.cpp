// The rules by name. Patterns are those of the models' own tokenizer.json files; names are those that GGUF converters write.
#include <algorithm>
#include <array>
#include <string>

#include "core/formats/pretokenizer_patterns.h"
#include "core/formats/printable.h"
#include "core/text/pretokenizer.h"

namespace mlxr::text {
namespace {

using namespace formats::patterns;

constexpr std::string_view kNewline = R"([\r\n])";
constexpr std::string_view kDeepseekCjk = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
// Escaped, because some of these letters do not survive Unicode normalisation by an editor.
constexpr std::string_view kDeepseekLetters =
    R"(\s?[A-Za-z)"
    R"(\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377})"
    R"(\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"
    R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B})"
    R"(\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57})"
    R"(\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC})"
    R"(\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113})"
    R"(\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149})"
    R"(\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B})"
    R"(\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"
    R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    "]+";
// The lookbehind changes no match; it keeps the engine from trying a long run of spaces again at each of its positions.
constexpr std::string_view kTrailingSpace = R"((?<!\s)\s+$)";
constexpr std::string_view kDeepseekPunctuation = R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";
constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kSeedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kPunctuation = R"([\p{P}$+<=>^~|`]+)";
constexpr std::string_view kDefaultPunctuation = R"([\p{P}$+<=>^~|]+)";
constexpr std::string_view kThreeAsciiDigits = "[0-9][0-9][0-9]";
// Whole runs of digits, which are then cut in threes. The first only where no letter, mark or digit follows. The lookbehind keeps a run
// from being tried again at each of its digits.
constexpr std::string_view kNumberInWords = R"((?<!\d)\d++(?![\p{L}\p{M}\p{N}\p{Pc}]))";
constexpr std::string_view kNumber = R"(\p{N}+)";
constexpr std::string_view kLines = R"([^\n]+|\n+)";
constexpr std::string_view kMiniCpm5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kSpark =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kYoutuScripts = R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\x{3040}-ゟ゠-ヿ]+)";
constexpr std::string_view kYoutu =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Within a run of spaces, the part after a first one is not searched for a line end again: that part would be 512 spaces shorter each time.
constexpr std::string_view kJais2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|(?<![^\S\r\n])\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S))"
    R"(|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kExaoneMoe =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kUfakZeka = R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kAfMoeScripts =
    R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{F900}-\x{FAFF}\x{3040}-\x{30FF}\x{FF65}-\x{FF9F}\x{2F00}-\x{2FDF}\x{E40}-\x{EFF})"
    R"(\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F}\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)";
// Letters other than Han come in words of their own.
constexpr std::string_view kKimi2 =
    R"(\p{Han}+)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// One set of rules, and the names that stand for it.
struct Family {
  std::array<std::string_view, 12> names;
  std::array<std::string_view, 6> patterns;
  int threes = -1;
  bool ignore_merges = false;
  bool add_bos = false;
  bool nfc = false;
};

const Family kFamilies[] = {
    {.names = {"default"}, .patterns = {kDefaultPunctuation, kGpt2, R"(\p{N}+)", kThreeAsciiDigits}},
    {.names = {"gpt-2", "phi-2", "jais", "gigachat", "a.x-4.0", "mellum", "trillion", "granite-docling", "roberta-bpe"},
     .patterns = {kGpt2}},
    {.names = {"jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code"}, .patterns = {kGpt2}},
    {.names = {"mpt", "olmo", "modern-bert", "exaone4"}, .patterns = {kGpt2}, .nfc = true},
    {.names = {"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"}, .patterns = {kDigit, kGpt2}},
    {.names = {"command-r"}, .patterns = {kDigit, kGpt2}, .nfc = true},
    {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
     .patterns = {kLlama3},
     .ignore_merges = true,
     .add_bos = true},
    {.names = {"dbrx", "smaug-bpe", "chatglm-bpe"}, .patterns = {kLlama3}},
    {.names = {"glm4", "glm5"}, .patterns = {kLlama3}, .ignore_merges = true},
    {.names = {"qwen2", "deepseek-r1-qwen", "f2llmv2", "stablelm2"}, .patterns = {kQwen2}, .nfc = true},
    {.names = {"kormo", "hunyuan", "solar-open", "megrez", "grok-2"}, .patterns = {kQwen2}},
    {.names = {"qwen35"}, .patterns = {kQwen35}, .nfc = true},
    {.names = {"laguna"}, .patterns = {kLines, kQwen2}},
    {.names = {"ufakzeka"}, .patterns = {kUfakZeka}},
    {.names = {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, .patterns = {kGpt4o}},
    {.names = {"granite-embed-multi-97m"}, .patterns = {kGpt4o}, .ignore_merges = true},
    {.names = {"tiny_aya", "cohere2moe"}, .patterns = {kNumberInWords, kGpt4o}, .threes = 0, .nfc = true},
    {.names = {"youtu"}, .patterns = {kYoutuScripts, kYoutu}, .ignore_merges = true},
    {.names = {"kimi-k2"}, .patterns = {kKimi2}},
    {.names = {"tekken"}, .patterns = {kTekken}, .ignore_merges = true, .add_bos = true},
    {.names = {"minicpm5"}, .patterns = {kThreeDigits, kMiniCpm5}, .ignore_merges = true},
    {.names = {"jais-2"}, .patterns = {kJais2}},
    {.names = {"exaone-moe"}, .patterns = {kExaoneMoe}, .nfc = true},
    {.names = {"deepseek-llm"}, .patterns = {kNewline, kDeepseekLetters, kDeepseekPunctuation, kTrailingSpace, kDeepseekCjk, R"(\p{N}+)"}},
    {.names = {"deepseek-coder"}, .patterns = {kNewline, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekCjk, kDigit}},
    {.names = {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"}, .patterns = {kThreeDigits, kCjkAndKana, kDeepseek3}},
    {.names = {"spark2_5"}, .patterns = {kThreeDigits, kCjkAndKana, kSpark, kDigit}},
    {.names = {"afmoe"}, .patterns = {kNumber, kAfMoeScripts, kDeepseek3}, .threes = 0},
    {.names = {"superbpe"}, .patterns = {kNumber, R"(\d+)"}, .threes = 1},
    {.names = {"chameleon"},
     .patterns = {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", kDigit, R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
     .add_bos = true},
    {.names = {"falcon"}, .patterns = {kPunctuation, kGpt2, kThreeAsciiDigits}},
    {.names = {"bloom", "poro-chat", "gpt3-finnish"}, .patterns = {kBloom}},
    {.names = {"viking"}, .patterns = {kBloom, kDigit}},
    {.names = {"bailingmoe", "bailingmoe2", "llada-moe"}, .patterns = {kBailing}},
    {.names = {"seed-coder"}, .patterns = {kSeedCoder}},
};

}  // namespace

Result<PretokenizerRules> pretokenizer_rules(std::string_view name) {
  for (const Family& family : kFamilies) {
    if (name.empty() || std::ranges::find(family.names, name) == family.names.end()) continue;
    PretokenizerRules rules{
        .patterns = {}, .threes = family.threes, .ignore_merges = family.ignore_merges, .add_bos = family.add_bos, .nfc = family.nfc};
    for (const auto pattern : family.patterns)
      if (!pattern.empty()) rules.patterns.push_back(pattern);
    return rules;
  }
  return fail(ErrorCode::kUnsupported, "The model file's pre-tokenizer " + formats::printable(name) +
                                           " (tokenizer.ggml.pre) is not one that MLXR knows. Use another model, or a newer MLXR.");
}

}  // namespace mlxr::text
