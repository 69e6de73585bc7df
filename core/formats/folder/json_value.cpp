#include "core/formats/folder/json_value.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/formats/gguf.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

// Builds the tree while the parser reads: nothing is kept twice, and nothing recurses.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Json take() { return *std::move(done_); }
  const std::string& problem() const { return problem_; }

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    return std::in_range<std::int64_t>(value) ? add(Json(static_cast<std::int64_t>(value))) : add(Json(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return add(Json(value)); }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(true); }
  bool key(string_t& name) override {
    levels_.back().key = std::move(name);
    return true;
  }
  bool end_object() override {
    auto members = std::move(levels_.back().members);
    levels_.pop_back();
    std::ranges::sort(members, {}, &Json::Members::value_type::first);
    const auto twice = std::ranges::adjacent_find(members, {}, &Json::Members::value_type::first);
    if (twice != members.end()) return refuse("it has the key " + printable(twice->first) + " twice in one object");
    return add(Json(std::move(members)));
  }
  bool start_array(std::size_t) override { return open(false); }
  bool end_array() override {
    auto items = std::move(levels_.back().items);
    levels_.pop_back();
    return add(Json(std::move(items)));
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("it is not valid JSON at byte " + std::to_string(position));
  }

 private:
  // An array or an object that is not complete.
  struct Level {
    bool is_object;
    std::string key;  // of the member that comes next
    Json::Items items;
    Json::Members members;
  };

  bool refuse(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }
  bool open(bool is_object) {
    if (levels_.size() == kMaxJsonDepth) return refuse("its JSON is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    levels_.push_back({is_object, {}, {}, {}});
    return true;
  }
  bool add(Json value) {
    if (++values_ > kMaxJsonValues) return refuse("its JSON has more than " + std::to_string(kMaxJsonValues) + " values");
    if (levels_.empty()) {
      done_.emplace(std::move(value));
    } else if (auto& level = levels_.back(); level.is_object) {
      level.members.emplace_back(std::move(level.key), std::move(value));
    } else {
      level.items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Level> levels_;
  std::size_t values_ = 0;
  std::optional<Json> done_;
  std::string problem_;
};

}  // namespace

std::optional<double> Json::number() const {
  if (const auto whole = integer()) return static_cast<double>(*whole);
  return copy<double>();
}

const Json* Json::find(std::string_view key) const {
  const auto* all = members();
  if (!all) return nullptr;
  const auto at = std::ranges::lower_bound(*all, key, {}, [](const auto& member) { return std::string_view(member.first); });
  return at != all->end() && at->first == key && !at->second.is_null() ? &at->second : nullptr;
}

std::string quote_infinities(std::string_view text) {
  constexpr std::string_view kWord = "Infinity";
  std::string quoted;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    if (!in_string && text.substr(i).starts_with(kWord)) {
      quoted += '"' + std::string(kInfinity) + '"';
      i += kWord.size();
      continue;
    }
    if (in_string && text[i] == '\\' && i + 1 < text.size())
      quoted += text[i++];
    else if (text[i] == '"')
      in_string = !in_string;
    quoted += text[i++];
  }
  return quoted;
}

std::string unquote_infinities(std::string_view quoted) {
  const auto word = '"' + std::string(kInfinity) + '"';
  std::string text(quoted);
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at)) text.replace(at, word.size(), "Infinity");
  return text;
}

Result<Json> parse_json(std::string_view text, std::string_view file_name) {
  Builder builder;
  const auto quoted = text.contains("Infinity") ? quote_infinities(text) : std::string();
  if (nlohmann::json::sax_parse(quoted.empty() ? text : quoted, &builder)) return builder.take();
  return damaged(file_name, builder.problem().empty() ? "it is not valid JSON" : builder.problem());
}

}  // namespace mlxr::formats
