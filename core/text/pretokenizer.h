// Cuts text into the words within which byte-level BPE may merge. Each model was trained with one set of rules; the file names it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

namespace mlxr::text {

// The rules of one `tokenizer.ggml.pre` name.
struct PretokenizerRules {
  std::vector<std::string_view> patterns;  // applied in turn, each to the pieces that the previous one left
  bool ignore_merges = false;              // a word that is itself a token is not split, even if no merges lead to it
  bool add_bos = false;                    // used when the file does not say
  bool nfc = false;                        // text is brought into the normal form NFC first
};

// Errors: kUnsupported (an unknown name; the message has it).
Result<PretokenizerRules> pretokenizer_rules(std::string_view name);

// Safe from any thread.
class Pretokenizer {
 public:
  // Errors: kInternal (a pattern does not compile).
  static Result<Pretokenizer> compile(const std::vector<std::string_view>& patterns);

  // The words of `text` (valid UTF-8) in order; together they are the whole text.
  std::vector<std::string_view> split(std::string_view text) const;

  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;
  ~Pretokenizer();

 private:
  struct Program;
  explicit Pretokenizer(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace mlxr::text
