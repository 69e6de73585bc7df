#include "core/kv/cache.h"

#include <utility>

namespace mlxr::kv {

std::vector<Kind> kinds_of(const models::ModelSpec& spec, quant::Type type, int blocks) {
  std::vector<Kind> kinds;
  for (const auto& kind : models::caches_of(spec)) {
    const ops::CacheShape shape{type, blocks, kind.kv_heads, kBlockTokens, kind.key_dim, kind.value_dim};
    kinds.push_back({shape, kind.window, kind.layers});
  }
  return kinds;
}

Cache::Cache(std::vector<Kind> kinds, int step_tokens, const ops::Ops& ops)
    : kinds_(std::move(kinds)), step_tokens_(step_tokens), ops_(ops) {
  for (const auto& kind : kinds_) arenas_.emplace_back(kind.shape.blocks);
  make_layers();
}

void Cache::make_layers() {
  std::size_t count = 0;
  for (const auto& kind : kinds_) count += kind.layers.size();
  layers_.assign(count, {.k = mlx::core::array(0), .v = mlx::core::array(0)});
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    for (const int layer : kinds_[kind].layers) {
      auto& cache = layers_[static_cast<std::size_t>(layer)];
      cache = ops_.make_cache(kinds_[kind].shape);
      cache.kind = static_cast<int>(kind);
    }
  }
}

bool Cache::has_windows() const {
  return std::ranges::any_of(kinds_, [](const Kind& kind) { return kind.window > 0; });
}

std::vector<int> Cache::missing(const Pages& pages, int stored, int tokens) const {
  std::vector<int> counts;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    const int last = kinds_[kind].window > 0 ? std::min(tokens, stored + step_tokens_) : tokens;
    const auto present = pages.empty() ? 0 : static_cast<int>(pages[kind].size());
    counts.push_back(std::max(0, blocks_for(last) - present));
  }
  return counts;
}

bool Cache::extend(Pages& pages, int stored, int tokens) {
  pages.resize(kinds_.size());
  leave_behind(pages, stored);
  const auto counts = missing(pages, stored, tokens);
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
    if (counts[kind] > arenas_[kind].free_blocks()) return false;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) arenas_[kind].take(counts[kind], pages[kind]);
  return true;
}

void Cache::leave_behind(Pages& pages, int position) {
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    const auto end = static_cast<std::size_t>(kinds_[kind].first_seen(std::max(0, position - kTokensBehindWindow)));
    for (std::size_t i = std::min(end, pages[kind].size()); i-- > 0 && pages[kind][i] >= 0;) {
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
    all.push_back(layer.k);
    all.push_back(layer.v);
  }
  return all;
}

std::string Cache::layout() const {
  std::string name = ops_.cache_layout();
  for (const auto& [shape, window, layers] : kinds_) {
    name += ";" + std::string(quant::traits(shape.type).name);
    for (const int size : {static_cast<int>(layers.size()), shape.kv_heads, shape.block_tokens, shape.key_dim, shape.value_dim})
      name += "," + std::to_string(size);
  }
  return name;
}

std::vector<std::byte> Cache::export_block(std::size_t kind, std::int32_t block) const {
  const auto& layers = kinds_[kind].layers;
  std::vector<std::byte> bytes(kinds_[kind].block_bytes(ops_));
  const auto of_layer = bytes.size() / layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i)
    ops_.export_block(layers_[static_cast<std::size_t>(layers[i])], block, std::span(bytes).subspan(i * of_layer, of_layer));
  return bytes;
}

Result<void> Cache::import_block(std::size_t kind, std::int32_t block, std::span<const std::byte> bytes) {
  const auto& layers = kinds_[kind].layers;
  if (bytes.size() != kinds_[kind].block_bytes(ops_)) {
    return fail(ErrorCode::kInvalidArgument, "A block of this cache has " + std::to_string(kinds_[kind].block_bytes(ops_)) +
                                                 " bytes, and not " + std::to_string(bytes.size()) + ".");
  }
  const auto of_layer = bytes.size() / layers.size();
  for (std::size_t i = 0; i < layers.size(); ++i)
    ops_.import_block(layers_[static_cast<std::size_t>(layers[i])], block, bytes.subspan(i * of_layer, of_layer));
  return {};
}

}  // namespace mlxr::kv
