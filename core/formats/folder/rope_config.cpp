#include "core/formats/folder/rope_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::size_t kAxes = 4;  // of positions, at most

class RopeReader {
 public:
  RopeReader(ConfigReader& config, const RopeShape& shape, const std::string& prefix, OwnedMetadata& metadata)
      : config_(config), shape_(shape), prefix_(prefix), metadata_(metadata) {}

  Result<RopeFactors> read() {
    ConfigReader older = config_.object("rope_scaling"), newer = config_.object("rope_parameters");
    ConfigReader& all = newer.empty() ? older : newer;
    if (auto local = read_local(all); !local) return fail(local.error());
    ConfigReader of_global = all.object("full_attention");
    ConfigReader& rope = of_global.empty() ? all : of_global;
    const auto base = rope.number("rope_theta"), older_base = config_.number("rope_theta");
    base_ = base.value_or(older_base.value_or(shape_.base));
    if (base_ > 0) add("rope.freq_base", base_);
    rotated_ = read_rotated(rope);
    if (const auto* type = type_of(rope); type && *type == "proportional") rotate_in_part(rope);
    add("rope.dimension_count", rotated_);
    read_sections(rope);
    scale(rope);
    if (auto known = rope.finish({}); !known) return fail(known.error());
    if (&rope != &all) {
      if (auto known = all.finish({}); !known) return fail(known.error());
    }
    return std::move(factors_);
  }

 private:
  // The rope of layers with a window, where it is another one.
  Result<void> read_local(ConfigReader& all) {
    const auto older = config_.number("rope_local_base_freq");
    ConfigReader local = all.object("sliding_attention");
    const auto base = local.number("rope_theta");
    if (base || older) add("rope.freq_base_swa", base.value_or(older.value_or(0)));
    if (const auto share = local.number("partial_rotary_factor"); share && *share != 1)
      local.note(ErrorCode::kUnsupported, "partial_rotary_factor", "not 1 for layers with a window");
    if (const auto* type = type_of(local); type && *type != "default")
      local.note(ErrorCode::kUnsupported, "rope_type", printable(*type) + " for layers with a window");
    return local.finish({});
  }

  std::int64_t read_rotated(ConfigReader& rope) {
    std::optional<double> share;
    for (const auto name : {"partial_rotary_factor", "rotary_pct", "rope_pct"}) {
      const auto said = config_.number(name), newer = rope.number(name);
      if (!share) share = newer ? newer : said;
    }
    const double part = share.value_or(shape_.rotated_share);
    if (!(part > 0 && part <= 1)) {
      rope.note(ErrorCode::kCorrupt, "partial_rotary_factor", "not a part of a head");
      return shape_.head_dim;
    }
    return static_cast<std::int64_t>(part * static_cast<double>(shape_.head_dim));
  }

  // Gemma 4: the first pairs of a head, whose frequencies are those of all pairs.
  void rotate_in_part(ConfigReader& rope) {
    const double factor = rope.number("factor").value_or(1);
    constexpr float kStill = 1e30f;
    for (std::int64_t i = 0; i < shape_.head_dim / 2; ++i) factors_.all.push_back(i < rotated_ / 2 ? static_cast<float>(factor) : kStill);
    rotated_ = shape_.head_dim;
  }

  static const std::string* type_of(ConfigReader& rope) {
    const auto *newer = rope.text("rope_type"), *older = rope.text("type");
    return newer ? newer : older;
  }

  // The pairs of each axis of positions. Where config.json does not say them, as many for each as there can be: GGUF's readers ask for
  // them.
  void read_sections(ConfigReader& rope) {
    rope.boolean("mrope_interleaved");
    const auto sections = rope.numbers("mrope_section");
    if (sections.empty() && !shape_.axes) return;
    std::vector<std::int64_t> pairs;
    if (sections.empty()) pairs = {(rotated_ / 2 + 2) / 3, (rotated_ / 2 + 1) / 3, rotated_ / 2 / 3};
    for (const double section : sections) {
      const bool fits = section >= 0 && section <= static_cast<double>(rotated_ / 2) && sections.size() <= kAxes;
      if (!fits) rope.note(ErrorCode::kCorrupt, "mrope_section", "not the pairs of " + std::to_string(kAxes) + " axes at most");
      pairs.push_back(fits ? static_cast<std::int64_t>(section) : 0);
    }
    pairs.resize(kAxes);
    add("rope.dimension_sections", std::move(pairs));
  }

  void scale(ConfigReader& rope) {
    const auto* type = type_of(rope);
    if (!type || *type == "default" || *type == "proportional") return;
    if (*type == "mrope") return;  // Qwen2-VL: what its sections say
    if (*type == "linear") return scale_linearly(rope);
    // The frequencies change only where a text is longer than max_position_embeddings, which is the longest that is run.
    if (*type == "dynamic") return static_cast<void>(rope.number("factor"));
    if (*type == "llama3") return scale_by_wavelength(rope);
    if (*type == "yarn") return scale_by_parts(rope);
    if (*type == "longrope" || *type == "su") return scale_by_lists(rope);
    rope.note(ErrorCode::kUnsupported, "rope_type", printable(*type));
  }

  // Of the original context.
  static std::int64_t tokens_of(ConfigReader& rope, double number) {
    if (number >= 1 && number <= 1e15) return static_cast<std::int64_t>(number);
    rope.note(ErrorCode::kCorrupt, "original_max_position_embeddings", "no number of tokens");
    return 1;
  }

  void add(const std::string& key, Value value) { metadata_.add(prefix_ + key, std::move(value)); }
  void add_type(std::string_view type, std::optional<double> factor) {
    add("rope.scaling.type", type);
    if (factor) add("rope.scaling.factor", *factor);
  }

  double need(ConfigReader& rope, std::string_view name) {
    const auto value = rope.number(name);
    if (!value || !(*value > 0)) rope.note(ErrorCode::kCorrupt, name, value ? "not positive" : "missing");
    return value && *value > 0 ? *value : 1;
  }

  void scale_linearly(ConfigReader& rope) { add_type("linear", need(rope, "factor")); }

  // Llama 3.1: pairs with long waves are slowed down by the factor, those with short ones are not, and those between in part.
  void scale_by_wavelength(ConfigReader& rope) {
    const double factor = need(rope, "factor");
    const double low = rope.number("low_freq_factor").value_or(1), high = rope.number("high_freq_factor").value_or(4);
    const double original = rope.number("original_max_position_embeddings").value_or(8192);
    const double base = base_ > 0 ? base_ : 10000;
    for (std::int64_t i = 0; i < rotated_ / 2; ++i) {
      const double wavelength = 2 * std::numbers::pi * std::pow(base, 2.0 * static_cast<double>(i) / static_cast<double>(rotated_));
      const double turns = original / wavelength;
      double divisor = factor;
      if (turns > high) divisor = 1;
      if (turns >= low && turns <= high && high > low) {
        const double kept = (turns - low) / (high - low);
        divisor = 1 / ((1 - kept) / factor + kept);
      }
      factors_.all.push_back(static_cast<float>(divisor));
    }
  }

  void scale_by_parts(ConfigReader& rope) {
    const double factor = need(rope, "factor");
    add_type("yarn", factor);
    add("rope.scaling.original_context_length",
        tokens_of(rope, rope.number("original_max_position_embeddings").value_or(static_cast<double>(shape_.context))));
    for (const auto& [name, key] :
         {std::pair("beta_fast", "yarn_beta_fast"), {"beta_slow", "yarn_beta_slow"}, {"extrapolation_factor", "yarn_ext_factor"}}) {
      if (const auto value = rope.number(name)) add(std::string("rope.scaling.") + key, *value);
    }
    // gpt-oss says false: the ends of the ramp are no whole numbers. GGUF cannot say it; llama.cpp and mlx-lm round them always, and so
    // does MLXR.
    if (const auto truncate = rope.boolean("truncate"); truncate == false && !shape_.may_round_ramp)
      rope.note(ErrorCode::kUnsupported, "truncate", "false");
    add_magnitude(rope, factor);
    // Ministral 3: a temperature of attention that grows with the position.
    if (const auto beta = rope.number("llama_4_scaling_beta")) add("attention.temperature_scale", *beta);
  }

  // What queries and keys are multiplied by. GGUF's readers multiply by magnitude(1) / magnitude(yarn_log_multiplier) without being told.
  void add_magnitude(ConfigReader& rope, double factor) {
    const auto magnitude = [&](double weight) { return factor > 1 ? 1 + 0.1 * weight * std::log(factor) : 1; };
    const double one = rope.number("mscale").value_or(0);
    const double all = rope.number("mscale_all_dim").value_or(0);
    if (shape_.latent && all != 0) {  // GGUF's key has a tenth of it there (DeepSeek-V2)
      if (one != all) rope.note(ErrorCode::kUnsupported, "mscale", "not mscale_all_dim");
      return add("rope.scaling.yarn_log_multiplier", 0.1 * all);
    }
    double wanted = one != 0 && all != 0 ? magnitude(one) / magnitude(all) : magnitude(1);
    for (const auto name : {"attn_factor", "attention_factor"}) wanted = rope.number(name).value_or(wanted);
    if (all != 0) add("rope.scaling.yarn_log_multiplier", all);
    const double share = wanted / (magnitude(1) / magnitude(all));
    if (std::fabs(share - 1) > 1e-6) add("rope.scaling.yarn_attn_factor", share);
  }

  // LongRoPE: a list of divisors for texts up to the original context, and one for longer ones.
  void scale_by_lists(ConfigReader& rope) {
    add_type("longrope", {});
    const auto in_rope = rope.number("original_max_position_embeddings"), in_config = config_.number("original_max_position_embeddings");
    const double original = in_config.value_or(in_rope.value_or(static_cast<double>(shape_.context)));
    add("rope.scaling.original_context_length", tokens_of(rope, original));
    const double grown = rope.number("factor").value_or(static_cast<double>(shape_.context) / original);
    const double magnitude = grown > 1 ? std::sqrt(1 + std::log(grown) / std::log(original)) : 1;
    add("rope.scaling.attn_factor", rope.number("attention_factor").value_or(magnitude));
    factors_.of_long_texts = read_list(rope, "long_factor");
    factors_.of_short_texts = read_list(rope, "short_factor");
  }

  std::vector<float> read_list(ConfigReader& rope, std::string_view name) {
    const auto values = rope.numbers(name);
    if (std::cmp_not_equal(values.size(), rotated_ / 2))
      rope.note(ErrorCode::kCorrupt, name,
                "a list of " + std::to_string(values.size()) + " numbers for " + std::to_string(rotated_ / 2) + " pairs");
    return {values.begin(), values.end()};
  }

  ConfigReader& config_;
  const RopeShape& shape_;
  std::string prefix_;
  OwnedMetadata& metadata_;
  double base_ = 0;
  std::int64_t rotated_ = 0;
  RopeFactors factors_;
};

}  // namespace

Result<RopeFactors> read_rope(ConfigReader& config, const RopeShape& shape, const std::string& prefix, OwnedMetadata& metadata) {
  return RopeReader(config, shape, prefix, metadata).read();
}

}  // namespace mlxr::formats
