#include <utility>

#include "core/text/tokenizer.h"
#include "core/text/utf8.h"

namespace mlxr::text {

std::string Detokenizer::feed(TokenId id) {
  pending_ += tokenizer_->piece(id);
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Step step = utf8_step(rest);
    if (step.kind == Utf8Step::kIncomplete) break;
    out += step.kind == Utf8Step::kCharacter ? rest.substr(0, step.length) : kReplacementCharacter;
    rest.remove_prefix(step.length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return out;
}

std::string Detokenizer::finish() { return utf8_repair(std::exchange(pending_, {})); }

}  // namespace mlxr::text
