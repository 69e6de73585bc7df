#include "core/formats/folder/window_config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

constexpr std::int64_t kMaxPatternLayers = 4096;

class WindowReader {
 public:
  WindowReader(const ModelType& type, std::int64_t layers, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata)
      : type_(type), layers_(layers), config_(config), prefix_(prefix), metadata_(metadata) {}

  // One boolean for each layer, or a period.
  void read() {
    const auto window = config_.integer("sliding_window");
    const auto used = config_.boolean("use_sliding_window");
    if (used == true && !type_.windows) config_.note(ErrorCode::kUnsupported, "use_sliding_window", "true");
    auto local = read_layer_types();
    const bool any = std::ranges::find(local, true) != local.end();
    if (window && *window > 0 && used != false) add("attention.sliding_window", *window);
    if (type_.windows ? !local.empty() : any) add("attention.sliding_window_pattern", std::move(local));
    read_pattern();
    check_layers_without_rope();
  }

 private:
  void add(std::string_view key, Value value) { metadata_.add(prefix_ + std::string(key), std::move(value)); }

  std::vector<bool> read_layer_types() {
    std::vector<bool> local;
    const auto* types = config_.find("layer_types");
    if (!types || type_.recurrence == Recurrence::kMamba2) return local;  // recurrent_config.h has read it
    if (!types->items() || std::cmp_not_equal(types->items()->size(), layers_)) {
      config_.note(ErrorCode::kCorrupt, "layer_types", "not one string for each layer");
      return local;
    }
    for (const auto& item : *types->items()) {
      const std::string name = item.text() ? *item.text() : "";
      const bool recurrent = type_.recurrence != Recurrence::kNone && name == type_.recurrent_layer;
      if (!recurrent && name != "full_attention" && name != "sliding_attention" && name != "attention")
        config_.note(ErrorCode::kUnsupported, "layer_types", printable(name) + " for some layers");
      local.push_back(name == "sliding_attention");
    }
    return local;
  }

  // An older way to say the same, which adds nothing where the list of layers is there: a period, or a pattern such as "LLLG".
  void read_pattern() {
    for (const std::string_view name : {"sliding_window_pattern", "_sliding_window_pattern"}) {
      const auto* pattern = config_.find(name);
      if (!pattern) continue;
      if (const auto period = pattern->integer()) {
        if (type_.windows) add("attention.sliding_window_pattern", *period);
      } else if (const auto* letters = pattern->text(); letters && !letters->empty() && letters->find_first_not_of("LG") == letters->npos) {
        std::vector<bool> local;
        for (std::int64_t i = 0; i < std::min<std::int64_t>(layers_, kMaxPatternLayers); ++i)
          local.push_back((*letters)[static_cast<std::size_t>(i) % letters->size()] == 'L');
        add("attention.sliding_window_pattern", std::move(local));
      } else {
        config_.note(ErrorCode::kCorrupt, name, "no pattern");
      }
    }
  }

  // SmolLM 3: GGUF has no key for the layers that do not know positions, which are every fourth.
  void check_layers_without_rope() {
    const auto with = config_.numbers("no_rope_layers");
    if (with.empty()) return;
    bool regular = std::cmp_equal(with.size(), layers_);
    for (std::size_t i = 0; i < with.size(); ++i) regular &= (with[i] != 0) == ((i + 1) % 4 != 0);
    if (!regular) config_.note(ErrorCode::kUnsupported, "no_rope_layers", "not every fourth layer");
  }

  const ModelType& type_;
  const std::int64_t layers_;
  ConfigReader& config_;
  const std::string& prefix_;
  OwnedMetadata& metadata_;
};

}  // namespace

void read_windows(const ModelType& type, std::int64_t layers, ConfigReader& config, const std::string& prefix, OwnedMetadata& metadata) {
  WindowReader(type, layers, config, prefix, metadata).read();
}

}  // namespace mlxr::formats
