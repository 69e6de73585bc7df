// Rows of logits for tests: ordinary and hostile ones.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace mlxr::decode {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct NamedRow {
  std::string name;
  std::vector<float> logits;
};

inline std::vector<NamedRow> hostile_rows(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto row = [&](std::string name, auto value) {
    NamedRow made{std::move(name), std::vector<float>(size)};
    for (std::size_t i = 0; i < size; ++i) made.logits[i] = value(i);
    return made;
  };
  const std::size_t one = random() % size;
  return {
      row("normal", [&](std::size_t) { return 4 * normal(random); }),
      row("flat", [](std::size_t) { return -3.5f; }),
      row("nearly flat", [&](std::size_t) { return 1 + 1e-6f * normal(random); }),
      row("ties", [&](std::size_t) { return static_cast<float>(random() % 5); }),
      row("one hot", [&](std::size_t i) { return i == one ? 50.0f : -50.0f; }),
      row("one possible", [&](std::size_t i) { return i == one ? 0.0f : -kInfinity; }),
      row("mostly impossible", [&](std::size_t i) { return i == one || random() % 10 == 0 ? normal(random) : -kInfinity; }),
      row("denormal", [&](std::size_t) { return 1e-45f * static_cast<float>(random() % 9); }),
      row("the largest floats", [&](std::size_t) { return random() % 2 == 0 ? 3.4e38f : -3.4e38f; }),
      row("ascending", [](std::size_t i) { return 1e-4f * static_cast<float>(i); }),
      row("signed zeros", [](std::size_t i) { return i % 2 == 0 ? 0.0f : -0.0f; }),
  };
}

// A mask that allows each token with this chance.
inline std::vector<std::uint32_t> random_mask(std::size_t size, double chance, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> words((size + 31) / 32);
  for (std::size_t i = 0; i < size; ++i) words[i / 32] |= static_cast<std::uint32_t>(random() < chance * 0x1p32) << (i % 32);
  return words;
}

}  // namespace mlxr::decode
