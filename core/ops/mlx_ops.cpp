#include "core/ops/mlx_ops.h"

#include <mlx/device.h>
#include <mlx/fast.h>
#include <mlx/ops.h>
#include <mlx/stream.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/ops/memory.h"
#include "core/quant/dequantize.h"

namespace mlxr::ops {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // a tensor is read and decoded in pieces of this size

struct DecodedWeight final : Weight {
  DecodedWeight(const mx::array& decoded, std::optional<mx::array> its_bias)
      : Weight(decoded.shape(0), decoded.shape(1)), values(decoded), bias(std::move(its_bias)) {}

  const mx::array values;               // (n, k), float32 or float16
  const std::optional<mx::array> bias;  // (n) float32
};

mx::array values_of(const Weight& w) { return mx::astype(static_cast<const DecodedWeight&>(w).values, mx::float32); }

mx::array int_array(const std::vector<std::int32_t>& values) {
  return mx::array(values.data(), mx::Shape{static_cast<int>(values.size())}, mx::int32);
}

// The cosines and sines of a rope at the batch's positions, (T, 1, pairs) each.
struct Rotation {
  Rotation(const Rope& rope, const std::vector<std::int32_t>& positions) : interleaved(rope.interleaved) {
    const int tokens = static_cast<int>(positions.size()), pairs = static_cast<int>(rope.frequencies.size());
    const auto frequencies = mx::array(rope.frequencies.data(), mx::Shape{1, 1, pairs}, mx::float32);
    const auto angle = mx::multiply(mx::astype(mx::reshape(int_array(positions), {tokens, 1, 1}), mx::float32), frequencies);
    std::vector<float> magnitudes;
    for (const auto position : positions) magnitudes.push_back(rope.magnitude_at(position));
    const auto magnitude = mx::array(magnitudes.data(), mx::Shape{tokens, 1, 1}, mx::float32);
    cosine = mx::multiply(mx::cos(angle), magnitude);
    sine = mx::multiply(mx::sin(angle), magnitude);
  }

  bool interleaved;
  mx::array cosine{0.0f}, sine{0.0f};
};

// What a sequence sees in the caches of one kind: its blocks, from the first that lies in the window of a new token.
struct View {
  View(const Sequence& s, std::size_t kind, int window, bool two_sided, int block_tokens)
      : first(window > 0 ? std::max(0, s.length - s.count - window + 1) / block_tokens * block_tokens : 0) {
    const auto& all = s.pages[kind];
    blocks = int_array({all.begin() + first / block_tokens, all.begin() + (s.length + block_tokens - 1) / block_tokens});
    const auto query = mx::reshape(mx::arange(s.length - s.count, s.length), {s.count, 1});
    const auto key = mx::reshape(mx::arange(first, s.length), {1, s.length - first});
    const auto distance = mx::subtract(query, key);
    seen = two_sided ? mx::full({s.count, s.length - first}, true) : mx::greater_equal(distance, mx::array(0));
    if (window > 0) seen = mx::logical_and(seen, mx::less(two_sided ? mx::abs(distance) : distance, mx::array(window)));
  }

  int first;              // position of the first key
  mx::array blocks{0};    // (blocks)
  mx::array seen{false};  // (count, length - first): true where a query may see a key
};

struct MlxStep final : Step {
  MlxStep(Batch its_batch, const StepShape& shape)
      : Step(std::move(its_batch)), tokens(int_array(batch.tokens)), outputs(int_array(batch.outputs)) {
    for (const auto& rope : shape.ropes) rotations.emplace_back(rope, batch.positions);
    for (std::size_t kind = 0; kind < shape.windows.size(); ++kind) {
      auto& of_kind = views.emplace_back();
      for (const auto& sequence : batch.sequences)
        of_kind.emplace_back(sequence, kind, shape.windows[kind], shape.two_sided, shape.block_tokens);
    }
  }

  mx::array tokens, outputs;
  std::vector<Rotation> rotations;
  std::vector<std::vector<View>> views;  // (kinds, sequences)
};

// x · wᵀ, with what adapters add.
mx::array product(const Step& step, const mx::array& x, const Weight& w) {
  const auto y = mx::matmul(x, mx::transpose(values_of(w)));
  std::vector<mx::array> pieces;
  int end = 0;  // of the rows that the pieces cover
  for (const auto& [first, count, by] : step.changes(w, x.shape(0))) {
    const auto changed = mx::matmul(mx::slice(x, {first, 0}, {first + count, x.shape(1)}), mx::transpose(values_of(*by->down)));
    pieces.push_back(mx::slice(y, {end, 0}, {first, w.n}));
    end = first + count;
    pieces.push_back(mx::add(mx::slice(y, {first, 0}, {end, w.n}), mx::matmul(changed, mx::transpose(values_of(*by->up)))));
  }
  if (pieces.empty()) return y;
  pieces.push_back(mx::slice(y, {end, 0}, {x.shape(0), w.n}));
  return mx::concatenate(pieces, 0);
}

const MlxStep& own(const Step& step) { return static_cast<const MlxStep&>(step); }

mx::array gelu_tanh(const mx::array& x) {
  const auto cubic = mx::add(x, mx::multiply(mx::array(0.044715f), mx::multiply(x, mx::multiply(x, x))));
  return mx::multiply(mx::multiply(mx::array(0.5f), x), mx::add(mx::array(1.0f), mx::tanh(mx::multiply(mx::array(0.7978845608f), cubic))));
}

mx::array gelu(const mx::array& x) {
  const auto half = mx::multiply(mx::array(0.5f), x);
  return mx::multiply(half, mx::add(mx::array(1.0f), mx::erf(mx::multiply(mx::array(0.70710678f), x))));
}

// act(g) · u
mx::array gated(const mx::array& g, const mx::array& u, Activation activation) {
  switch (activation) {
    case Activation::kSilu: return mx::multiply(mx::multiply(g, mx::sigmoid(g)), u);
    case Activation::kGeluTanh: return mx::multiply(gelu_tanh(g), u);
    case Activation::kSigmoid: return mx::multiply(mx::sigmoid(g), u);
    case Activation::kNone: return mx::multiply(g, u);
    case Activation::kSquaredRelu: return mx::multiply(mx::square(mx::maximum(g, mx::array(0.0f))), u);
    case Activation::kGelu: return mx::multiply(gelu(g), u);
    case Activation::kClampedSwiglu: break;
  }
  const mx::array limit(7.0f), least(-7.0f), sharpness(1.702f);
  const auto low = mx::minimum(g, limit);
  return mx::multiply(mx::multiply(low, mx::sigmoid(mx::multiply(low, sharpness))), mx::add(mx::clip(u, least, limit), mx::array(1.0f)));
}

// x · wᵀ + bias, without adapters
mx::array plain_product(const mx::array& x, const Weight& w) {
  const auto y = mx::matmul(x, mx::transpose(values_of(w)));
  const auto& bias = static_cast<const DecodedWeight&>(w).bias;
  return bias ? mx::add(y, *bias) : y;
}

// `gate` may be null.
mx::array expert(const mx::array& x, const WeightPtr& gate, const Weight& up, const Weight& down, Activation activation) {
  const auto u = plain_product(x, up);
  return plain_product(gate ? gated(plain_product(x, *gate), u, activation) : gated(u, mx::array(1.0f), activation), down);
}

// Which of the ranks of a token are its `count` highest. Of equal ones, the first are.  ranks (T, n), bool (T, n)
mx::array highest(const mx::array& ranks, int count) {
  const int n = ranks.shape(1);
  const auto number = mx::arange(n);
  const auto mine = mx::expand_dims(ranks, 2), other = mx::expand_dims(ranks, 1);
  const auto earlier = mx::less(mx::reshape(number, {1, 1, n}), mx::reshape(number, {1, n, 1}));
  const auto higher = mx::logical_or(mx::greater(other, mine), mx::logical_and(mx::equal(other, mine), earlier));
  return mx::less(mx::sum(higher, -1), mx::array(count));
}

// The ranks of experts, or minus infinity in groups that a token does not use.  (T, experts)
mx::array in_used_groups(const mx::array& ranks, const Routing& routing) {
  if (routing.groups == 1) return ranks;
  const int tokens = ranks.shape(0), groups = routing.groups, size = ranks.shape(1) / groups, best = std::min(2, size);
  const auto grouped = mx::reshape(ranks, {tokens, groups, size});
  const auto sums = mx::sum(mx::slice(mx::sort(grouped, -1), {0, 0, size - best}, {tokens, groups, size}), -1);  // (T, groups)
  const auto used = mx::expand_dims(highest(sums, routing.groups_used), -1);
  return mx::reshape(mx::where(used, grouped, mx::array(-std::numeric_limits<float>::infinity())), {tokens, groups * size});
}

mx::array rotate(const mx::array& a, const mx::array& ca, const mx::array& b, const mx::array& cb, bool plus) {
  return plus ? mx::add(mx::multiply(a, ca), mx::multiply(b, cb)) : mx::subtract(mx::multiply(a, ca), mx::multiply(b, cb));
}

// `arena` is moved in so that the update can reuse its memory.
mx::array write(mx::array arena, const mx::array& rows, int block, int offset, int first, int count) {
  const int heads = arena.shape(1), dim = arena.shape(3);
  auto part = mx::reshape(mx::slice(rows, {first, 0}, {first + count, heads * dim}), {count, heads, dim});
  part = mx::astype(mx::expand_dims(mx::transpose(part, {1, 0, 2}), 0), mx::float16);  // (1, G, count, D)
  return mx::slice_update(std::move(arena), part, mx::Shape{block, 0, offset, 0}, mx::Shape{block + 1, heads, offset + count, dim});
}

// The keys or values that a sequence sees, once for each of `heads` query heads: (H, keys, D).
mx::array gather(const mx::array& arena, const View& view, int keys, int heads) {
  const int kv_heads = arena.shape(1), dim = arena.shape(3);
  auto pages = mx::transpose(mx::take(arena, view.blocks, 0), {1, 0, 2, 3});  // (G, blocks, S, D)
  pages = mx::slice(mx::reshape(pages, {kv_heads, -1, dim}), {0, 0, 0}, {kv_heads, keys, dim});
  return mx::repeat(mx::astype(pages, mx::float32), heads / kv_heads, 0);
}

// softmax(scores) v, where only `seen` keys count.  scores (H, count, keys), v (H, keys, E)
mx::array weigh(mx::array scores, const mx::array& v, const mx::array& seen, const AttentionOptions& options) {
  const int heads = scores.shape(0), count = scores.shape(1), keys = scores.shape(2);
  if (options.softcap > 0) {
    const mx::array cap(options.softcap);
    scores = mx::multiply(cap, mx::tanh(mx::divide(scores, cap)));
  }
  scores = mx::where(seen, scores, mx::array(-std::numeric_limits<float>::infinity()));
  if (options.sinks) {
    const auto sinks = mx::broadcast_to(mx::reshape(*options.sinks, {heads, 1, 1}), {heads, count, 1});
    scores = mx::concatenate({scores, sinks}, -1);
  }
  const auto shares = mx::slice(mx::softmax(scores, -1, true), {0, 0, 0}, {heads, count, keys});
  return mx::matmul(shares, v);
}

// The bytes of a block of keys or of values.
std::span<std::byte> bytes_of(mx::array& arena, int block) {
  const auto bytes = arena.nbytes() / static_cast<std::size_t>(arena.shape(0));
  return {reinterpret_cast<std::byte*>(arena.data<mx::float16_t>()) + bytes * static_cast<std::size_t>(block), bytes};
}

}  // namespace

std::uint64_t MlxOps::weight_bytes(const formats::Tensor& tensor) const {
  const bool halves = tensor.shape.size() == 2 && mx::default_device() == mx::Device::gpu;
  return tensor.elements() * (halves ? 2 : 4);
}

// Decodes to float32 on a CPU, where MLX is slow in float16, and to float16 on a GPU.
Result<WeightPtr> MlxOps::prepare(const formats::Tensor& tensor, std::span<const float> bias, Panels&) const {
  const int n = static_cast<int>(tensor.shape[0]), k = static_cast<int>(tensor.shape[1]);
  mx::array values(allocate(sizeof(float) * tensor.shape[0] * tensor.shape[1]), mx::Shape{n, k}, mx::float32);
  const auto row_bytes = quant::row_bytes(tensor.type, static_cast<std::size_t>(k));
  const auto rows = static_cast<int>(std::clamp<std::size_t>(kPieceBytes / row_bytes, 1, static_cast<std::size_t>(n)));
  std::vector<std::byte> packed;
  for (int row = 0; row < n; row += rows) {
    packed.resize(static_cast<std::size_t>(std::min(rows, n - row)) * row_bytes);
    if (auto done = tensor.read(static_cast<std::uint64_t>(row) * row_bytes, packed); !done) return fail(std::move(done.error()));
    quant::dequantize_row(tensor.type, packed.data(), values.data<float>() + static_cast<std::ptrdiff_t>(row) * k,
                          static_cast<std::size_t>(std::min(rows, n - row)) * static_cast<std::size_t>(k));
  }
  if (mx::default_device() == mx::Device::gpu) values = mx::astype(values, mx::float16);
  values.eval();
  const auto added = bias.empty() ? std::nullopt : std::optional(mx::array(bias.data(), mx::Shape{n}, mx::float32));
  return std::make_shared<const DecodedWeight>(values, added);
}

std::unique_ptr<const Step> MlxOps::begin(Batch batch, const StepShape& shape) const {
  return std::make_unique<MlxStep>(std::move(batch), shape);
}

mx::array MlxOps::embed(const Step& step, const Weight& table, float scale) const {
  const auto rows = mx::take(values_of(table), own(step).tokens, 0);
  return scale == 1 ? rows : mx::multiply(rows, mx::array(scale));
}

mx::array MlxOps::output_rows(const Step& step, const mx::array& x) const { return mx::take(x, own(step).outputs, 0); }

mx::array MlxOps::q_gemm(const Step& step, const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const {
  auto y = product(step, x, w);
  if (const auto& bias = static_cast<const DecodedWeight&>(w).bias) y = mx::add(y, *bias);
  return residual ? mx::add(y, *residual) : y;
}

std::vector<mx::array> MlxOps::q_gemm(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights) const {
  std::vector<mx::array> y;
  for (const Weight* w : weights) y.push_back(q_gemm(step, x, *w, std::nullopt));
  return y;
}

mx::array MlxOps::gated_mlp(const Step& step, const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const {
  return gated(q_gemm(step, x, gate, std::nullopt), q_gemm(step, x, up, std::nullopt), activation);
}

// Computes every expert for every token: those that a token does not take have the weight 0.
mx::array MlxOps::experts(const mx::array& x, const mx::array& scores, const ExpertWeights& weights, const Routing& routing,
                          Activation activation, const std::optional<mx::array>& residual) const {
  const int count = scores.shape(1);
  const auto p = routing.sigmoid ? mx::sigmoid(scores) : mx::softmax(scores, -1, true);
  const auto ranks = in_used_groups(weights.bias ? mx::add(p, *weights.bias) : p, routing);
  auto shares = mx::where(highest(ranks, routing.used), p, mx::array(0.0f));  // (T, experts)
  if (routing.normalised) shares = mx::divide(shares, mx::maximum(mx::sum(shares, -1, true), mx::array(kLeastSum)));
  shares = mx::multiply(shares, mx::array(routing.scale));
  if (weights.scales) shares = mx::multiply(shares, *weights.scales);
  auto y = residual ? *residual : mx::zeros({x.shape(0), weights.down[0]->n}, mx::float32);
  for (int i = 0; i < count; ++i) {
    const auto e = static_cast<std::size_t>(i);
    const auto share = mx::slice(shares, {0, i}, {x.shape(0), i + 1});
    y = mx::add(
        y, mx::multiply(share, expert(x, weights.gate.empty() ? nullptr : weights.gate[e], *weights.up[e], *weights.down[e], activation)));
  }
  if (!weights.shared_up) return y;
  auto shared = expert(x, weights.shared_gate, *weights.shared_up, *weights.shared_down, activation);
  if (weights.shared_router) shared = mx::multiply(shared, mx::sigmoid(mx::matmul(x, mx::reshape(*weights.shared_router, {-1, 1}))));
  return mx::add(y, shared);
}

mx::array MlxOps::rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const {
  const int d = weight.shape(0);
  const auto y = mx::reshape(mx::fast::rms_norm(mx::reshape(x, {-1, d}), weight, eps), x.shape());
  return residual ? mx::add(y, *residual) : y;
}

mx::array MlxOps::layer_norm(const mx::array& x, int d, const mx::array& weight, const std::optional<mx::array>& bias, float eps,
                             const std::optional<mx::array>& residual) const {
  const auto pieces = mx::reshape(x, {x.shape(0), -1, d});
  const auto from_mean = mx::subtract(pieces, mx::mean(pieces, -1, true));
  const auto variance = mx::mean(mx::square(from_mean), -1, true);
  auto y = mx::multiply(mx::multiply(from_mean, mx::rsqrt(mx::add(variance, mx::array(eps)))), mx::reshape(weight, {-1, d}));
  if (bias) y = mx::add(y, mx::reshape(*bias, {-1, d}));
  y = mx::reshape(y, x.shape());
  return residual ? mx::add(y, *residual) : y;
}

mx::array MlxOps::activate(const mx::array& x, Activation activation, const std::optional<mx::array>& times) const {
  return gated(x, times.value_or(mx::array(1.0f)), activation);
}

mx::array MlxOps::softcap(const mx::array& x, float cap) const {
  return mx::multiply(mx::array(cap), mx::tanh(mx::divide(x, mx::array(cap))));
}

mx::array MlxOps::rope(const Step& step, const mx::array& x, int rope, int head_dim) const {
  const auto& [interleaved, c, s] = own(step).rotations[static_cast<std::size_t>(rope)];
  const int tokens = x.shape(0), heads = x.shape(1) / head_dim, pairs = c.shape(2);
  const auto whole = mx::reshape(x, {tokens, heads, head_dim});
  const auto rotated = mx::slice(whole, {0, 0, 0}, {tokens, heads, 2 * pairs});
  const auto rest = mx::slice(whole, {0, 0, 2 * pairs}, {tokens, heads, head_dim});
  if (interleaved) {
    const auto p = mx::split(mx::reshape(rotated, {tokens, heads, pairs, 2}), 2, -1);
    const auto x0 = mx::squeeze(p[0], -1), x1 = mx::squeeze(p[1], -1);
    const auto y = mx::reshape(mx::stack({rotate(x0, c, x1, s, false), rotate(x0, s, x1, c, true)}, -1), rotated.shape());
    return mx::reshape(mx::concatenate({y, rest}, -1), x.shape());
  }
  const auto p = mx::split(rotated, 2, -1);
  return mx::reshape(mx::concatenate({rotate(p[0], c, p[1], s, false), rotate(p[0], s, p[1], c, true), rest}, -1), x.shape());
}

// (B, G, S, D) float16 keys, and (B, G, S, E) values.
std::uint64_t MlxOps::cache_bytes(const CacheShape& s) const {
  if (s.type != quant::Type::kF16) return 0;
  return 2ull * s.blocks * s.kv_heads * s.block_tokens * (s.key_dim + s.value_dim);
}
LayerCache MlxOps::make_cache(const CacheShape& s) const {
  const auto half = [&](int dim) {
    const mx::Shape shape{s.blocks, s.kv_heads, s.block_tokens, dim};
    return mx::array(allocate(2ull * s.blocks * s.kv_heads * s.block_tokens * dim), shape, mx::float16);
  };
  return {.shape = s, .k = half(s.key_dim), .v = half(s.value_dim)};
}

void MlxOps::kv_store(const Step& step, LayerCache& cache, const mx::array& k, const mx::array& v) const {
  const auto& slots = step.batch.slots[static_cast<std::size_t>(cache.kind)];
  const int block_tokens = cache.shape.block_tokens;
  for (std::size_t t = 0; t < slots.size();) {
    if (slots[t] < 0) {  // a token that is not stored
      ++t;
      continue;
    }
    // Consecutive tokens of one block are written as one slice.
    const int block = slots[t] / block_tokens, offset = slots[t] % block_tokens;
    int run = 1;
    while (t + run < slots.size() && offset + run < block_tokens && slots[t + run] == slots[t] + run) ++run;
    // Moved, so that the update holds the only reference and can reuse the memory.
    cache.k = write(std::move(cache.k), k, block, offset, static_cast<int>(t), run);
    cache.v = write(std::move(cache.v), v, block, offset, static_cast<int>(t), run);
    t += run;
  }
}

mx::array MlxOps::attention(const Step& step, const mx::array& q, const LayerCache& cache, const AttentionOptions& options) const {
  const int dim = cache.shape.key_dim, heads = q.shape(1) / dim;
  const auto& views = own(step).views[static_cast<std::size_t>(cache.kind)];
  std::vector<mx::array> rows;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto& s = step.batch.sequences[i];
    const int keys = s.length - views[i].first;
    auto queries = mx::reshape(mx::slice(q, {s.first, 0}, {s.first + s.count, heads * dim}), {s.count, heads, dim});
    queries = mx::multiply(mx::transpose(queries, {1, 0, 2}), mx::array(options.scale));  // (H, count, D)
    const auto scores = mx::matmul(queries, mx::transpose(gather(cache.k, views[i], keys, heads), {0, 2, 1}));
    const auto y = weigh(scores, gather(cache.v, views[i], keys, heads), views[i].seen, options);
    rows.push_back(mx::reshape(mx::transpose(y, {1, 0, 2}), {s.count, heads * cache.shape.value_dim}));
  }
  return rows.size() == 1 ? rows[0] : mx::concatenate(rows, 0);
}

void MlxOps::export_block(const LayerCache& cache, int block, std::span<std::byte> bytes) const {
  auto k = cache.k, v = cache.v;
  const auto keys = bytes_of(k, block), values = bytes_of(v, block);
  std::ranges::copy(keys, bytes.begin());
  std::ranges::copy(values, bytes.begin() + static_cast<std::ptrdiff_t>(keys.size()));
}
void MlxOps::import_block(LayerCache& cache, int block, std::span<const std::byte> bytes) const {
  const auto keys = bytes_of(cache.k, block), values = bytes_of(cache.v, block);
  std::ranges::copy(bytes.first(keys.size()), keys.begin());
  std::ranges::copy(bytes.subspan(keys.size()), values.begin());
}

void MlxOps::for_each(int count, const std::function<void(int)>& work) const {
  for (int i = 0; i < count; ++i) work(i);
}

std::unique_ptr<const Ops> make_mlx_ops() { return std::make_unique<MlxOps>(); }

}  // namespace mlxr::ops
