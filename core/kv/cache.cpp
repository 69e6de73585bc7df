#include "core/kv/cache.h"

#include <utility>

namespace mlxr::kv {
namespace {

// A state is seen by the next token alone.
constexpr int kWindowOfStates = 2;

ops::CacheShape shape_of(const models::KeysAndValues& rows, quant::Type type, int blocks) {
  return {type, blocks, rows.kv_heads, kBlockTokens, rows.key_dim, rows.value_dim};
}
ops::StateShape shape_of(const models::State& s, quant::Type, int blocks) {
  return {blocks, kBlockTokens, s.columns, s.taps, s.heads, s.key_dim, s.value_dim};
}

int window_of(const models::KeysAndValues& rows) { return rows.window; }
int window_of(const models::State&) { return kWindowOfStates; }

ops::LayerMemory make_memory(const ops::CacheShape& shape, int kind, const ops::Ops& ops) {
  auto cache = ops.make_cache(shape);
  cache.kind = kind;
  return cache;
}
ops::LayerMemory make_memory(const ops::StateShape& shape, int kind, const ops::Ops&) {
  auto state = ops::make_state(shape);
  state.kind = kind;
  return state;
}

std::uint64_t bytes_of(const ops::CacheShape& shape, const ops::Ops& ops) { return ops.cache_bytes(shape); }
std::uint64_t bytes_of(const ops::StateShape& shape, const ops::Ops&) { return ops::state_bytes(shape); }

std::string name_of(const ops::CacheShape& s) {
  std::string name(quant::traits(s.type).name);
  for (const int size : {s.kv_heads, s.block_tokens, s.key_dim, s.value_dim}) name += "," + std::to_string(size);
  return name;
}
std::string name_of(const ops::StateShape& s) {
  std::string name = "state";
  for (const int size : {s.block_tokens, s.columns, s.taps, s.heads, s.key_dim, s.value_dim}) name += "," + std::to_string(size);
  return name;
}

}  // namespace

int Kind::blocks_of_text(int tokens, int step_tokens) const {
  // Those behind the sequence and those of its next step; either may begin in mid-block.
  if (has_states()) return std::min(blocks_for(tokens), 2 * (blocks_for(kTokensBehindState) + 1));
  if (window == 0) return blocks_for(tokens);
  return std::min(blocks_for(tokens), blocks_for(kTokensBehindWindow + window + step_tokens) + 1);
}

std::uint64_t Kind::block_bytes(const ops::Ops& ops) const {
  auto one = *this;
  one.set_blocks(1);
  return std::visit([&](const auto& shape_of_one) { return bytes_of(shape_of_one, ops); }, one.shape) * layers.size();
}

std::vector<Kind> kinds_of(const models::ModelSpec& spec, quant::Type type, int blocks) {
  std::vector<Kind> kinds;
  for (const auto& kind : models::caches_of(spec)) {
    kinds.push_back(std::visit(
        [&](const auto& content) -> Kind { return {shape_of(content, type, blocks), window_of(content), kind.layers}; }, kind.content));
  }
  return kinds;
}

Cache::Cache(std::vector<Kind> kinds, int step_tokens, const ops::Ops& ops)
    : kinds_(std::move(kinds)), step_tokens_(step_tokens), ops_(ops) {
  for (const auto& kind : kinds_) arenas_.emplace_back(kind.blocks());
  make_layers();
}

void Cache::make_layers() {
  int last = -1;  // the last layer that remembers anything
  for (const auto& kind : kinds_) last = std::max(last, kind.layers.back());
  layers_.assign(static_cast<std::size_t>(last + 1), ops::LayerCache{.k = mlx::core::array(0), .v = mlx::core::array(0)});
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    for (const int layer : kinds_[kind].layers) {
      layers_[static_cast<std::size_t>(layer)] =
          std::visit([&](const auto& shape) { return make_memory(shape, static_cast<int>(kind), ops_); }, kinds_[kind].shape);
    }
  }
}

bool Cache::has_windows() const {
  return std::ranges::any_of(kinds_, [](const Kind& kind) { return kind.window > 0; });
}

bool Cache::has_states() const { return std::ranges::any_of(kinds_, &Kind::has_states); }

std::vector<int> Cache::wanted(std::size_t kind, const Pages& pages, int stored, int tokens) const {
  const auto& it = kinds_[kind];
  const int last = it.window > 0 ? std::min(tokens, stored + step_tokens_) : tokens;
  const auto present = pages.empty() ? 0 : static_cast<int>(pages[kind].size());
  std::vector<int> places;
  for (int i = it.has_states() ? std::max(it.first_kept(last), stored / kBlockTokens) : present; i < blocks_for(last); ++i)
    if (i >= present || pages[kind][static_cast<std::size_t>(i)] < 0) places.push_back(i);
  return places;
}

std::vector<int> Cache::missing(const Pages& pages, int stored, int tokens) const {
  std::vector<int> counts;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) counts.push_back(static_cast<int>(wanted(kind, pages, stored, tokens).size()));
  return counts;
}

bool Cache::extend(Pages& pages, int stored, int tokens) {
  pages.resize(kinds_.size());
  leave_behind(pages, stored);
  std::vector<std::vector<int>> places;  // of each kind
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    places.push_back(wanted(kind, pages, stored, tokens));
    if (std::cmp_greater(places[kind].size(), arenas_[kind].free_blocks())) return false;
  }
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    std::vector<std::int32_t> taken;
    arenas_[kind].take(static_cast<int>(places[kind].size()), taken);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const auto place = static_cast<std::size_t>(places[kind][i]);
      pages[kind].resize(std::max(pages[kind].size(), place + 1), -1);
      pages[kind][place] = taken[i];
    }
  }
  return true;
}

void Cache::leave_behind(Pages& pages, int position) {
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    const auto end = static_cast<std::size_t>(kinds_[kind].first_kept(position));
    for (std::size_t i = std::min(end, pages[kind].size()); i-- > 0 && (pages[kind][i] >= 0 || kinds_[kind].has_states());) {
      arenas_[kind].release({&pages[kind][i], 1});
      pages[kind][i] = -1;
    }
  }
}

void Cache::release(Pages& pages) {
  if (!pages.empty()) shorten(pages, 0);
  pages.clear();
}

int Cache::usable(const Pages& pages, int blocks) const {
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    for (int i = kinds_[kind].first_seen(blocks * kBlockTokens); i < blocks; ++i)
      if (pages[kind][static_cast<std::size_t>(i)] < 0) return 0;
  }
  return blocks;
}

Pages Cache::share(const Pages& pages, int blocks) {
  Pages first;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    first.emplace_back(pages[kind].begin(), pages[kind].begin() + blocks);
    arenas_[kind].share(first.back());
  }
  return first;
}

Pages Cache::share_end(const Pages& pages, int blocks) {
  auto first = share(pages, blocks);
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    const auto unseen = std::span(first[kind]).first(static_cast<std::size_t>(kinds_[kind].first_seen(blocks * kBlockTokens)));
    arenas_[kind].release(unseen);
    std::ranges::fill(unseen, -1);
  }
  return first;
}

void Cache::shorten(Pages& pages, int blocks) {
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    const auto keep = std::min(static_cast<std::size_t>(blocks), pages[kind].size());
    arenas_[kind].release(std::span(pages[kind]).subspan(keep));
    pages[kind].resize(keep);
  }
}

std::vector<mlx::core::array> Cache::arrays() const {
  std::vector<mlx::core::array> all;
  for (const auto& layer : layers_) {
    if (const auto* cache = std::get_if<ops::LayerCache>(&layer)) {
      all.insert(all.end(), {cache->k, cache->v});
    } else {
      const auto& state = std::get<ops::LayerState>(layer);
      all.insert(all.end(), {state.inputs, state.matrices});
    }
  }
  return all;
}

std::string Cache::layout() const {
  std::string name = ops_.cache_layout();
  for (const auto& kind : kinds_) {
    name += ";" + std::to_string(kind.layers.size()) + "," + std::visit([](const auto& shape) { return name_of(shape); }, kind.shape);
  }
  return name;
}

std::vector<std::byte> Cache::export_block(std::size_t kind, std::int32_t block) const {
  const auto& layers = kinds_[kind].layers;
  std::vector<std::byte> bytes(kinds_[kind].block_bytes(ops_));
  const auto of_layer = bytes.size() / layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers_[static_cast<std::size_t>(layers[i])];
    const auto to = std::span(bytes).subspan(i * of_layer, of_layer);
    if (const auto* cache = std::get_if<ops::LayerCache>(&layer)) {
      ops_.export_block(*cache, block, to);
    } else {
      ops::export_state(std::get<ops::LayerState>(layer), block, to);
    }
  }
  return bytes;
}

Result<void> Cache::import_block(std::size_t kind, std::int32_t block, std::span<const std::byte> bytes) {
  const auto& layers = kinds_[kind].layers;
  if (bytes.size() != kinds_[kind].block_bytes(ops_)) {
    return fail(ErrorCode::kInvalidArgument, "A block of this cache has " + std::to_string(kinds_[kind].block_bytes(ops_)) +
                                                 " bytes, and not " + std::to_string(bytes.size()) + ".");
  }
  const auto of_layer = bytes.size() / layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto& layer = layers_[static_cast<std::size_t>(layers[i])];
    const auto from = bytes.subspan(i * of_layer, of_layer);
    if (auto* cache = std::get_if<ops::LayerCache>(&layer)) {
      ops_.import_block(*cache, block, from);
    } else {
      ops::import_state(std::get<ops::LayerState>(layer), block, from);
    }
  }
  return {};
}

}  // namespace mlxr::kv
