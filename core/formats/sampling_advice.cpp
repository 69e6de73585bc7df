#include "core/formats/sampling_advice.h"

#include <limits>

namespace mlxr::formats {
namespace {

constexpr std::string_view kPrefix = "general.sampling.";

class AdviceReader {
 public:
  explicit AdviceReader(const Metadata& metadata) : metadata_(metadata) {}

  std::optional<float> number(std::string_view name, double low, double high) {
    const auto key = std::string(kPrefix) + std::string(name);
    if (metadata_.find(key) == nullptr) return std::nullopt;
    const auto value = metadata_.number(key);
    if (value && *value >= low && *value <= high) return static_cast<float>(*value);  // not so for NaN
    ignored_.push_back(key);
    return std::nullopt;
  }

  std::optional<int> integer(std::string_view name) {
    const auto value = number(name, -1, std::numeric_limits<int>::max());
    const auto whole = value ? metadata_.integer(std::string(kPrefix) + std::string(name)) : std::nullopt;
    if (value && !whole) ignored_.push_back(std::string(kPrefix) + std::string(name));
    return whole ? std::optional(static_cast<int>(*whole)) : std::nullopt;
  }

  // A way of sampling that is on where the value is not `off`.
  void refuse(std::string_view name, double off) {
    const auto key = std::string(kPrefix) + std::string(name);
    if (metadata_.find(key) != nullptr && metadata_.number(key) != off) ignored_.push_back(key);
  }

  std::vector<std::string> ignored() && { return std::move(ignored_); }

 private:
  const Metadata& metadata_;
  std::vector<std::string> ignored_;
};

}  // namespace

SamplingAdvice read_sampling_advice(const Metadata& metadata) {
  AdviceReader reader(metadata);
  SamplingAdvice advice;
  auto& values = advice.values;
  values.temperature = reader.number("temp", 0, 100);
  values.top_k = reader.integer("top_k");
  if (values.top_k == -1) values.top_k = 0;  // all tokens, as 0
  values.top_p = reader.number("top_p", 0, 1);
  values.min_p = reader.number("min_p", 0, 1);
  values.repeat_penalty = reader.number("penalty_repeat", 0.01, 100);
  values.repeat_last_n = reader.integer("penalty_last_n");
  reader.refuse("mirostat", 0);
  reader.refuse("xtc_probability", 0);
  reader.refuse("sequence", 0);  // a text
  advice.ignored = std::move(reader).ignored();
  return advice;
}

}  // namespace mlxr::formats
