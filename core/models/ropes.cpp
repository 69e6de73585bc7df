#include "core/models/ropes.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/formats/printable.h"

namespace mlxr::models {
namespace {

// f[i] = base^(-2i / rotated), for heads of which `rotated` values are rotated.
std::vector<float> frequencies(int rotated, double base) {
  std::vector<float> f(static_cast<std::size_t>(rotated / 2));
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(std::pow(base, -2.0 * static_cast<double>(i) / rotated));
  return f;
}

// The factor by which positions are divided; 1: no scaling.
double read_factor(KeyReader& read) {
  const double older = read.number("rope.scale_linear", 1, 0, 1e6);
  const double factor = read.number("rope.scaling.factor", older, 0, 1e6);
  return factor == 0 ? 1 : factor;
}

void scale_linearly(ops::Rope& rope, double factor) {
  for (auto& f : rope.frequencies) f = static_cast<float>(f / factor);
}

// YaRN (Peng et al. 2023): pairs that turn often within the original context keep their frequency, those that turn rarely are scaled, and
// those between by parts. What is multiplied is the temperature of attention.
void scale_by_parts(ops::Rope& rope, KeyReader& read, int context, double factor, double base) {
  const int named = original_context(read), original = named > 0 ? named : context;
  const double fast = read.number("rope.scaling.yarn_beta_fast", 32, 0.001, 1e6);
  const double slow = read.number("rope.scaling.yarn_beta_slow", 1, 0.001, 1e6);
  const double kept = read.number("rope.scaling.yarn_ext_factor", 1, 0, 1);  // the share of its frequency that a fast pair keeps
  const double rotated = 2.0 * static_cast<double>(rope.frequencies.size());
  // The pair that turns so often.
  const auto pair = [&](double turns) { return rotated * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(base)); };
  const double first = std::max(0.0, std::floor(pair(fast))), last = std::min(rotated - 1, std::ceil(pair(slow)));
  for (std::size_t i = 0; i < rope.frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - first) / std::max(0.001, last - first), 0.0, 1.0);
    const double mix = (1 - ramp) * kept;
    rope.frequencies[i] = static_cast<float>(rope.frequencies[i] / factor * (1 - mix) + rope.frequencies[i] * mix);
  }
  const auto magnitude = [&](double weight) { return factor > 1 ? 1 + 0.1 * weight * std::log(factor) : 1; };
  const double all = read.number("rope.scaling.yarn_log_multiplier", 0, 0, 100);
  rope.magnitude *= static_cast<float>(magnitude(1) / magnitude(all) * read.number("rope.scaling.yarn_attn_factor", 1, 0, 100));
}

// The type defaults to "linear" when the file only has a factor.
void scale(ops::Rope& rope, KeyReader& read, const Family& family, int context, double base) {
  const auto type = read.string("rope.scaling.type").value_or("linear");
  const double factor = read_factor(read);
  rope.magnitude = static_cast<float>(read.number("rope.scaling.attn_factor", 1, 0, 100));
  if (type == "none") return;
  if (type == "linear") return scale_linearly(rope, factor);
  if (type == "yarn") {
    if (factor != 1) scale_by_parts(rope, read, context, factor, base);
    return;
  }
  // LongRoPE (Ding et al. 2024): its factors are tensors.
  if (type == "longrope" && family.rope_factors) return;
  read.note({ErrorCode::kUnsupported, "MLXR cannot run models with RoPE scaling " + formats::printable(type) + " yet."});
}

}  // namespace

int original_context(KeyReader& read) { return read.integer("rope.scaling.original_context_length", 0, 0, 1 << 26); }

std::vector<ops::Rope> read_ropes(KeyReader& read, const Family& family, int context, int key_dim, int local_key_dim) {
  constexpr std::string_view kRotated = "rope.dimension_count";
  const int rotated = read.integer(kRotated, key_dim, 2, key_dim);
  if (rotated % 2 != 0) read.note(ErrorCode::kUnsupported, read.find(kRotated) ? kRotated : "attention.key_length", "odd");
  const double base = read.number("rope.freq_base", 10000, 1, 1e12);
  // Converters put the halves of heads that are rotated along several axes where the two values of a pair were.
  const bool interleaved = family.rope_interleaved && !read.has_any("rope.dimension_sections");
  std::vector<ops::Rope> ropes{{.frequencies = frequencies(rotated, base), .interleaved = interleaved}};
  scale(ropes[0], read, family, context, base);
  if (!family.local_rope_unscaled) return ropes;
  const double local = read.number("rope.freq_base_swa", family.local_rope_base > 0 ? family.local_rope_base : base, 1, 1e12);
  const int local_rotated = read.integer("rope.dimension_count_swa", local_key_dim == key_dim ? rotated : local_key_dim, 2, local_key_dim);
  if (local_rotated % 2 != 0) read.note(ErrorCode::kUnsupported, "rope.dimension_count_swa", "odd");
  ropes.push_back({.frequencies = frequencies(local_rotated, local), .interleaved = interleaved});
  return ropes;
}

}  // namespace mlxr::models
