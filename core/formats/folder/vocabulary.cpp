#include "core/formats/folder/vocabulary.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

// tokenizer.ggml.token_type
enum : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

constexpr std::string_view kSpace = "▁";
constexpr std::int64_t kMaxHoles = 1 << 16;  // ids without a token: embeddings are padded to a round number
constexpr float kNeverMerged = -1e9F;

std::string text_of(const Json* object, std::string_view name) {
  const auto* value = object ? object->find(name) : nullptr;
  return value && value->text() ? *value->text() : "";
}

bool flag(const Json* object, std::string_view name) {
  const auto* value = object ? object->find(name) : nullptr;
  return value && value->boolean().value_or(false);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

// Tokens that begin or end something, although some tokenizers do not mark them as special.
bool looks_special(std::string_view text) {
  const auto between = [&](std::string_view first, std::string_view last) { return text.starts_with(first) && text.ends_with(last); };
  return between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">") || text == "<pad>" || text == "<mask>" ||
         text == "<2mass>" || text == "[@BOS@]";
}

bool names_a_byte(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && is_hex(text[3]) && is_hex(text[4]);
}

bool is_id(const Json& value) {
  const auto number = value.integer();
  return number && *number >= 0 && *number <= std::int64_t{1} << 40;
}

class TokensReader {
 public:
  TokensReader(const Json& tokenizer, const std::string& file, OwnedMetadata& metadata)
      : tokenizer_(tokenizer), file_(file), metadata_(metadata), model_(tokenizer.find("model")) {}

  Result<std::vector<std::string_view>> read(std::int64_t count) {
    const auto type = text_of(model_, "type");
    const auto prefix = text_of(model_, "continuing_subword_prefix");
    if (type != "BPE" && type != "Unigram" && type != "WordPiece")
      return unsupported("its model is " + printable(type) + ", not \"BPE\", \"Unigram\" or \"WordPiece\"");
    if (type != "WordPiece" && !prefix.empty()) return unsupported("it has a continuing_subword_prefix");
    if (!text_of(model_, "end_of_word_suffix").empty()) return unsupported("it has an end_of_word_suffix");
    byte_level_ = type == "BPE" && !flag(model_, "byte_fallback");
    if (auto done = place(count, type); !done) return fail(done.error());
    const auto done = type == "Unigram"     ? add_unigram()
                      : type == "WordPiece" ? add_wordpiece(prefix)
                      : byte_level_         ? add_merges()
                                            : add_scores();
    if (!done) return fail(done.error());
    add_borders();
    metadata_.add("tokenizer.ggml.tokens", tokens_);
    metadata_.add("tokenizer.ggml.token_type", types_);
    return std::move(tokens_);
  }

 private:
  std::unexpected<Error> bad(const std::string& what) const { return damaged(file_, what); }
  std::unexpected<Error> unsupported(const std::string& what) const {
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet, because of its " + file_ + ": " + what + ".");
  }

  struct Added {
    std::int64_t id;
    std::string_view text;
    bool special, strips_left, strips_right, whole_word;
  };

  // The vocabulary as it stands there: an object of ids by token; or, of a unigram model, a list of tokens and scores.
  Result<std::vector<std::pair<const std::string*, std::int64_t>>> listed() {
    std::vector<std::pair<const std::string*, std::int64_t>> tokens;
    const auto* vocabulary = model_->find("vocab");
    if (vocabulary && vocabulary->members()) {
      for (const auto& [text, id] : *vocabulary->members()) {
        if (!is_id(id)) return bad("token " + printable(text) + " has no id");
        tokens.emplace_back(&text, *id.integer());
      }
      return tokens;
    }
    if (!vocabulary || !vocabulary->items()) return bad("its model has no vocab");
    for (const auto& item : *vocabulary->items()) {
      const auto* pair = item.items();
      if (!pair || pair->size() != 2 || !(*pair)[0].text() || !(*pair)[1].number())
        return bad("token " + std::to_string(tokens.size()) + " is not a text and a score");
      tokens.emplace_back((*pair)[0].text(), static_cast<std::int64_t>(tokens.size()));
      scores_.push_back(static_cast<float>(*(*pair)[1].number()));
    }
    return tokens;
  }

  // Gives each id its token.
  Result<void> place(std::int64_t count, std::string_view type) {
    auto vocabulary = listed();
    if (!vocabulary) return fail(vocabulary.error());
    if (scores_.empty() == (type == "Unigram")) return bad("its vocab is not that of a " + std::string(type) + " model");
    if (auto added = read_added(); !added) return fail(added.error());
    auto largest = static_cast<std::int64_t>(-1);
    for (const auto& [text, id] : *vocabulary) largest = std::max(largest, id);
    if (count == 0) {
      for (const auto& one : added_) largest = std::max(largest, one.id);
      count = largest + 1;
    }
    const auto known = static_cast<std::int64_t>(vocabulary->size() + added_.size());
    if (count > known + kMaxHoles) return bad("the model has " + std::to_string(count) + " tokens, and it names " + std::to_string(known));
    if (largest >= count) return bad("it has a token " + std::to_string(largest) + ", and the model " + std::to_string(count) + " tokens");
    tokens_.resize(static_cast<std::size_t>(count));
    types_.assign(tokens_.size(), kUnused);
    const auto unknown = text_of(model_, "unk_token");
    const auto* unknown_id = model_->find("unk_id");
    const bool has_bytes = flag(model_, "byte_fallback");
    for (const auto& [text, id] : *vocabulary) {
      const bool is_unknown = (!unknown.empty() && *text == unknown) || (unknown_id && unknown_id->integer() == id);
      if (auto set = put(id, *text, has_bytes && names_a_byte(*text) ? kByte : is_unknown ? kUnknown : kNormal); !set) return set;
    }
    for (const auto& one : added_) {
      if (one.id >= count) continue;  // of parts that see or hear: no embedding is its own
      if (auto set = put_added(one); !set) return set;
    }
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] == kUnused) tokens_[id] = metadata_.keep("[PAD" + std::to_string(id) + "]");
    }
    return {};
  }

  Result<void> put(std::int64_t id, const std::string& text, std::int64_t type) {
    const auto at = static_cast<std::size_t>(id);
    if (types_[at] != kUnused) return bad("two tokens have the id " + std::to_string(id));
    if (text.size() > kMaxNameLength) return bad("token " + std::to_string(id) + " is " + std::to_string(text.size()) + " bytes long");
    tokens_[at] = metadata_.keep(text);
    types_[at] = type;
    return {};
  }

  Result<void> put_added(const Added& one) {
    const auto at = static_cast<std::size_t>(one.id);
    if (types_[at] != kUnused && tokens_[at] != one.text)
      return bad("token " + std::to_string(one.id) + " is " + printable(tokens_[at]) + " and " + printable(one.text));
    if (types_[at] == kUnknown) return {};
    const bool control = one.special || looks_special(one.text);
    // These are looked for in the text as it is, with its spaces.
    tokens_[at] = metadata_.keep(control || byte_level_ ? std::string(one.text) : replaced(std::string(one.text), kSpace, " "));
    types_[at] = control ? kControl : kUserDefined;
    return {};
  }

  Result<void> read_added() {
    const auto* list = tokenizer_.find("added_tokens");
    if (!list) return {};
    if (!list->items()) return bad("its added_tokens are not a list");
    for (const auto& item : *list->items()) {
      const auto *id = item.find("id"), *content = item.find("content");
      if (!id || !content || !content->text() || !is_id(*id)) return bad("one of its added_tokens has no id and content");
      added_.push_back({*id->integer(), *content->text(), flag(&item, "special"), flag(&item, "lstrip"), flag(&item, "rstrip"),
                        flag(&item, "single_word")});
    }
    return {};
  }

  // The two tokens that the merge of this number unites.
  Result<std::pair<std::string_view, std::string_view>> merge(std::size_t number, const Json& item) const {
    if (const auto* both = item.items(); both && both->size() == 2 && (*both)[0].text() && (*both)[1].text())
      return std::pair<std::string_view, std::string_view>(*(*both)[0].text(), *(*both)[1].text());
    const std::string_view text = item.text() ? std::string_view(*item.text()) : std::string_view();
    const auto space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos) return bad("merge " + std::to_string(number) + " is not two tokens");
    return std::pair(text.substr(0, space), text.substr(space + 1));
  }

  Result<const Json::Items*> merges() const {
    const auto* list = model_->find("merges");
    if (!list || !list->items()) return bad("its model has no merges");
    return list->items();
  }

  Result<void> add_merges() {
    if (auto done = add_byte_level_rules(tokenizer_, file_, metadata_); !done) return done;
    const auto list = merges();
    if (!list) return fail(list.error());
    std::vector<std::string_view> texts;
    texts.reserve((*list)->size());
    for (const auto& item : **list) {
      const auto both = merge(texts.size(), item);
      if (!both) return fail(both.error());
      texts.push_back(metadata_.keep(std::string(both->first) + " " + std::string(both->second)));
    }
    metadata_.add("tokenizer.ggml.model", std::string_view("gpt2"));
    metadata_.add("tokenizer.ggml.merges", std::move(texts));
    return {};
  }

  Result<void> add_rules() {
    auto json = rules_as_json(tokenizer_, file_);
    if (!json) return fail(json.error());
    metadata_.add("tokenizer.mlxr.rules", metadata_.keep(*std::move(json)));
    return {};
  }

  Result<void> add_unigram() {
    scores_.resize(tokens_.size());
    metadata_.add("tokenizer.ggml.model", std::string_view("t5"));
    metadata_.add("tokenizer.ggml.scores", std::move(scores_));
    return add_rules();
  }

  // In GGUF the tokens that begin a word are marked, here those that continue one.
  Result<void> add_wordpiece(std::string_view continues) {
    constexpr std::int64_t kLongestWord = 100;
    const auto* longest = model_->find("max_input_chars_per_word");
    if (continues.empty() || (longest && longest->integer() != kLongestWord))
      return unsupported("it has no continuing_subword_prefix, or max_input_chars_per_word is not " + std::to_string(kLongestWord));
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != kNormal) continue;
      const bool first = !tokens_[id].starts_with(continues);
      tokens_[id] = metadata_.keep(first ? std::string(kSpace).append(tokens_[id]) : std::string(tokens_[id].substr(continues.size())));
    }
    metadata_.add("tokenizer.ggml.model", std::string_view("bert"));
    return add_rules();
  }

  // What GGUF has no words for: tokens that take the spaces beside them with them, and those that are none within a word.
  void add_borders() {
    std::vector<std::int64_t> left, right, whole;
    for (const auto& one : added_) {
      if (std::cmp_greater_equal(one.id, tokens_.size())) continue;
      if (one.strips_left) left.push_back(one.id);
      if (one.strips_right) right.push_back(one.id);
      if (one.whole_word) whole.push_back(one.id);
    }
    if (!left.empty()) metadata_.add("tokenizer.mlxr.strips_left", std::move(left));
    if (!right.empty()) metadata_.add("tokenizer.mlxr.strips_right", std::move(right));
    if (!whole.empty()) metadata_.add("tokenizer.mlxr.whole_words", std::move(whole));
  }

  // SentencePiece's merges are those of the best score first, and all that make the same token have the same.
  Result<void> add_scores() {
    const auto prefix = space_prefix();
    if (!prefix) {
      if (auto done = add_rules(); !done) return done;
    }
    const auto list = merges();
    if (!list) return fail(list.error());
    std::unordered_map<std::string_view, std::size_t> ids;
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] == kNormal) ids.emplace(tokens_[id], id);
    }
    std::vector<float> scores(tokens_.size(), kNeverMerged);
    std::size_t number = 0;
    for (const auto& item : **list) {
      const auto both = merge(number, item);
      if (!both) return fail(both.error());
      const auto made = ids.find(std::string(both->first) + std::string(both->second));
      if (made != ids.end() && scores[made->second] == kNeverMerged) scores[made->second] = -static_cast<float>(number);
      ++number;
    }
    metadata_.add("tokenizer.ggml.model", std::string_view("llama"));
    metadata_.add("tokenizer.ggml.pre", std::string_view("default"));
    metadata_.add("tokenizer.ggml.scores", std::move(scores));
    metadata_.add("tokenizer.ggml.add_space_prefix", prefix.value_or(true));
    return {};
  }

  // Whether a text gets a space before it, where that and "▁" for each space is all that is done to a text.
  std::optional<bool> space_prefix() const {
    bool prefix = false, escaped = false;
    for (const auto* step : steps_of(tokenizer_.find("normalizer"), "normalizers")) {
      const auto type = text_of(step, "type");
      const bool replaces = type == "Replace" && text_of(step->find("pattern"), "String") == " " && text_of(step, "content") == kSpace;
      const bool prepends = type == "Prepend" && text_of(step, "prepend") == kSpace && !escaped;
      if (!replaces && !prepends) return std::nullopt;
      escaped |= replaces;
      prefix |= prepends;
    }
    for (const auto* step : steps_of(tokenizer_.find("pre_tokenizer"), "pretokenizers")) {
      // No space is left to split at.
      if (!(text_of(step, "type") == "Split" && escaped && text_of(step->find("pattern"), "String") == " ")) return std::nullopt;
    }
    return escaped ? std::optional(prefix) : std::nullopt;
  }

  const Json& tokenizer_;
  const std::string& file_;
  OwnedMetadata& metadata_;
  const Json* model_;
  bool byte_level_ = false;
  std::vector<Added> added_;
  std::vector<float> scores_;  // of a unigram model
  std::vector<std::string_view> tokens_;
  std::vector<std::int64_t> types_;
};

// The template of a list of them that has this name.
std::string named(const Json& list, std::string_view name) {
  for (const auto& item : *list.items()) {
    if (text_of(&item, "name") == name) return text_of(&item, "template");
  }
  return {};
}

Result<void> add_chat_template(const FolderFiles& folder, const Json* settings, OwnedMetadata& metadata) {
  const auto own = folder.read_text("chat_template.jinja");
  if (!own) return fail(own.error());
  const auto* in_settings = settings ? settings->find("chat_template") : nullptr;
  std::string text, with_tools;
  if (*own) {
    text = **own;
  } else if (in_settings && in_settings->text()) {
    text = *in_settings->text();
  } else if (in_settings && in_settings->items()) {
    text = named(*in_settings, "default");
    with_tools = named(*in_settings, "tool_use");
  }
  if (text.empty()) {  // of folders of models that also see, as processors were saved once
    const auto of_processor = folder.read_json("chat_template.json");
    if (!of_processor) return fail(of_processor.error());
    const auto* said = *of_processor ? (*of_processor)->find("chat_template") : nullptr;
    if (said && said->text()) text = *said->text();
  }
  if (!text.empty()) metadata.add("tokenizer.chat_template", metadata.keep(std::move(text)));
  if (!with_tools.empty()) metadata.add("tokenizer.chat_template.tool_use", metadata.keep(std::move(with_tools)));
  return {};
}

// The model's own advice for sampling.
void add_sampling(const Json* generation, OwnedMetadata& metadata) {
  if (!generation) return;
  const auto* sampled = generation->find("do_sample");
  if (sampled && !flag(generation, "do_sample")) return metadata.add("general.sampling.temp", 0.0);  // always the most likely token
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"temperature", "temp"}, {"top_k", "top_k"}, {"top_p", "top_p"}, {"min_p", "min_p"}, {"repetition_penalty", "penalty_repeat"}};
  for (const auto& [name, gguf] : kNames) {
    const auto* value = generation->find(name);
    const auto key = "general.sampling." + std::string(gguf);
    if (value && value->integer() && gguf == "top_k")
      metadata.add(key, *value->integer());
    else if (value && value->number())
      metadata.add(key, *value->number());
  }
}

const Json* get(const std::optional<Json>& json) { return json ? &*json : nullptr; }

}  // namespace

Result<std::vector<std::string_view>> read_tokens(const Json& tokenizer, const std::string& file, std::int64_t count,
                                                  OwnedMetadata& metadata) {
  return TokensReader(tokenizer, file, metadata).read(count);
}

Result<void> read_vocabulary(const FolderFiles& folder, const ModelConfig& model, OwnedMetadata& metadata) {
  const auto tokenizer = folder.read_json("tokenizer.json");
  if (!tokenizer) return fail(tokenizer.error());
  if (!*tokenizer) {
    return fail(ErrorCode::kUnsupported,
                folder.path().string() + " has no tokenizer.json. Save the model with transformers' save_pretrained(), which writes one.");
  }
  const auto settings = folder.read_json("tokenizer_config.json"), generation = folder.read_json("generation_config.json");
  if (!settings) return fail(settings.error());
  if (!generation) return fail(generation.error());
  const auto tokens = read_tokens(**tokenizer, (folder.path() / "tokenizer.json").string(), model.vocabulary, metadata);
  if (!tokens) return fail(tokens.error());
  const TokenFiles files{&**tokenizer, get(*settings), get(*generation), model.text};
  if (auto done = read_special_tokens(files, *tokens, metadata); !done) return done;
  add_sampling(files.generation, metadata);
  return add_chat_template(folder, files.settings, metadata);
}

}  // namespace mlxr::formats
