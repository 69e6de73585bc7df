// Reads the keys under an architecture's name, checks their kind and range, and remembers the first error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/result.h>

#include "core/formats/metadata.h"

namespace mlxr::models {

class KeyReader {
 public:
  // `metadata` must outlive it.
  KeyReader(const formats::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  // A key that is missing is `otherwise`, or, without that, an error. An array with one number for each layer is read as that number if
  // all are equal. After an error, the lowest value is returned.
  int integer(std::string_view key, std::optional<int> otherwise, std::int64_t low, std::int64_t high);
  double number(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind = "a number");
  bool boolean(std::string_view key, bool otherwise);
  // Whether an array of integers has any that is not 0.
  bool has_any(std::string_view key) const;
  // One integer for each layer, from an array or from one number for all.
  std::vector<int> integers(std::string_view key, int layers, std::optional<int> otherwise, std::int64_t low, std::int64_t high);
  // The same of numbers.
  std::vector<double> numbers(std::string_view key, int layers, std::optional<double> otherwise, double low, double high,
                              const char* kind = "a number");

  // Null if it is missing.
  const formats::Value* find(std::string_view key) const { return metadata_.find(prefix_ + std::string(key)); }
  std::optional<std::string_view> string(std::string_view key) const { return metadata_.string(prefix_ + std::string(key)); }

  const std::optional<Error>& problem() const { return problem_; }
  void note(Error problem) {
    if (!problem_) problem_ = std::move(problem);
  }
  // "... the key KEY is WHAT."
  void note(ErrorCode code, std::string_view key, const std::string& what);

 private:
  // At least one value, each of them in [low, high].
  std::vector<double> numbers(std::string_view key, std::optional<double> otherwise, double low, double high, const char* kind);
  int whole(std::string_view key, double value);

  const formats::Metadata& metadata_;
  std::string prefix_;
  std::optional<Error> problem_;
};

}  // namespace mlxr::models
