#include "core/ops/mlx_ops.h"

#include <mlx/device.h>
#include <mlx/fast.h>
#include <mlx/ops.h>
#include <mlx/stream.h>

#include <algorithm>

#include "core/ops/memory.h"
#include "core/quant/dequantize.h"

namespace mlxr::ops {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;  // a tensor is read and decoded in pieces of this size

mx::array int_array(const std::vector<std::int32_t>& values) {
  return mx::array(values.data(), mx::Shape{static_cast<int>(values.size())}, mx::int32);
}

mx::array gelu_tanh(const mx::array& x) {
  const auto cubic = mx::add(x, mx::multiply(mx::array(0.044715f), mx::multiply(x, mx::multiply(x, x))));
  return mx::multiply(mx::multiply(mx::array(0.5f), x), mx::add(mx::array(1.0f), mx::tanh(mx::multiply(mx::array(0.7978845608f), cubic))));
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

// The keys or values of a sequence, (1, G, length, D).
mx::array gather(const mx::array& arena, const Sequence& s) {
  const int heads = arena.shape(1), dim = arena.shape(3);
  auto pages = mx::transpose(mx::take(arena, int_array(s.pages), 0), {1, 0, 2, 3});  // (G, pages, S, D)
  pages = mx::reshape(pages, {1, heads, -1, dim});
  return mx::astype(mx::slice(pages, {0, 0, 0, 0}, {1, heads, s.length, dim}), mx::float32);
}

// (count, length): true where a query may see a key.
mx::array mask(const Sequence& s, int window) {
  const auto query = mx::reshape(mx::arange(s.length - s.count, s.length), {s.count, 1});
  const auto key = mx::reshape(mx::arange(0, s.length), {1, s.length});
  auto seen = mx::less_equal(key, query);
  if (window > 0) seen = mx::logical_and(seen, mx::greater(key, mx::subtract(query, mx::array(window))));
  return seen;
}

}  // namespace

std::uint64_t MlxOps::panel_bytes(const formats::Tensor&) const { return 0; }
std::string MlxOps::panel_layout() const { return {}; }
std::uint64_t MlxOps::weight_bytes(const formats::Tensor& tensor) const {
  const bool halves = tensor.shape.size() == 2 && mx::default_device() == mx::Device::gpu;
  return tensor.elements() * (halves ? 2 : 4);
}

// Decodes to float32 on a CPU, where MLX is slow in float16, and to float16 on a GPU.
Result<Weight> MlxOps::prepare(const formats::Tensor& tensor, Panels&) const {
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
  return Weight{.type = tensor.type, .n = n, .k = k, .values = values};
}

mx::array MlxOps::embed(const BatchPtr& batch, const Weight& table, float scale) const {
  auto rows = mx::astype(mx::take(*table.values, int_array(batch->tokens), 0), mx::float32);
  return scale == 1 ? rows : mx::multiply(rows, mx::array(scale));
}

mx::array MlxOps::output_rows(const mx::array& x, const BatchPtr& batch) const { return mx::take(x, int_array(batch->outputs), 0); }

mx::array MlxOps::q_gemm(const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const {
  auto y = mx::matmul(x, mx::transpose(mx::astype(*w.values, mx::float32)));
  if (w.bias) y = mx::add(y, *w.bias);
  return residual ? mx::add(y, *residual) : y;
}

std::vector<mx::array> MlxOps::q_gemm(const mx::array& x, const std::vector<const Weight*>& weights) const {
  std::vector<mx::array> y;
  for (const Weight* w : weights) y.push_back(q_gemm(x, *w, std::nullopt));
  return y;
}

mx::array MlxOps::gated_mlp(const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const {
  const auto g = q_gemm(x, gate, std::nullopt);
  return mx::multiply(activation == Activation::kSilu ? mx::multiply(g, mx::sigmoid(g)) : gelu_tanh(g), q_gemm(x, up, std::nullopt));
}

mx::array MlxOps::rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const {
  const int d = weight.shape(0);
  const auto y = mx::reshape(mx::fast::rms_norm(mx::reshape(x, {-1, d}), weight, eps), x.shape());
  return residual ? mx::add(y, *residual) : y;
}

mx::array MlxOps::rope(const mx::array& x, const BatchPtr& batch, const RopeOptions& options) const {
  const int tokens = x.shape(0), pairs = static_cast<int>(options.frequencies->size()), heads = x.shape(1) / (2 * pairs);
  const auto positions = mx::astype(mx::reshape(int_array(batch->positions), {tokens, 1, 1}), mx::float32);
  const auto angle = mx::multiply(positions, mx::array(options.frequencies->data(), mx::Shape{1, 1, pairs}, mx::float32));
  const auto c = mx::cos(angle), s = mx::sin(angle);
  if (options.interleaved) {
    const auto p = mx::split(mx::reshape(x, {tokens, heads, pairs, 2}), 2, -1);
    const auto x0 = mx::squeeze(p[0], -1), x1 = mx::squeeze(p[1], -1);
    return mx::reshape(mx::stack({rotate(x0, c, x1, s, false), rotate(x0, s, x1, c, true)}, -1), x.shape());
  }
  const auto p = mx::split(mx::reshape(x, {tokens, heads, 2 * pairs}), 2, -1);
  return mx::reshape(mx::concatenate({rotate(p[0], c, p[1], s, false), rotate(p[0], s, p[1], c, true)}, -1), x.shape());
}

// (B, G, S, D) float16 each.
std::uint64_t MlxOps::cache_bytes(const CacheShape& shape) const {
  if (shape.type != quant::Type::kF16) return 0;
  return 2ull * 2 * shape.blocks * shape.kv_heads * shape.block_tokens * shape.head_dim;
}
LayerCache MlxOps::make_cache(const CacheShape& shape) const {
  const auto half = [&] {
    return mx::array(allocate(cache_bytes(shape) / 2), mx::Shape{shape.blocks, shape.kv_heads, shape.block_tokens, shape.head_dim},
                     mx::float16);
  };
  return {shape, half(), half()};
}

void MlxOps::kv_store(LayerCache& cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const {
  const int block_tokens = cache.k.shape(2);
  for (std::size_t t = 0; t < batch->slots.size();) {
    if (batch->slots[t] < 0) {  // a token that is not stored
      ++t;
      continue;
    }
    // Consecutive tokens of one block are written as one slice.
    const int block = batch->slots[t] / block_tokens, offset = batch->slots[t] % block_tokens;
    int run = 1;
    while (t + run < batch->slots.size() && offset + run < block_tokens && batch->slots[t + run] == batch->slots[t] + run) ++run;
    // Moved, so that the update holds the only reference and can reuse the memory.
    cache.k = write(std::move(cache.k), k, block, offset, static_cast<int>(t), run);
    cache.v = write(std::move(cache.v), v, block, offset, static_cast<int>(t), run);
    t += run;
  }
}

mx::array MlxOps::attention(const mx::array& q, const LayerCache& cache, const BatchPtr& batch, const AttentionOptions& options) const {
  const int dim = cache.k.shape(3), heads = q.shape(1) / dim;
  std::vector<mx::array> rows;
  for (const auto& s : batch->sequences) {
    auto queries = mx::reshape(mx::slice(q, {s.first, 0}, {s.first + s.count, heads * dim}), {s.count, heads, dim});
    queries = mx::expand_dims(mx::transpose(queries, {1, 0, 2}), 0);  // (1, H, count, D)
    auto y = mx::fast::scaled_dot_product_attention(queries, gather(cache.k, s), gather(cache.v, s), options.scale, "array",
                                                    mask(s, options.window));
    rows.push_back(mx::reshape(mx::transpose(mx::squeeze(y, 0), {1, 0, 2}), {s.count, heads * dim}));
  }
  return rows.size() == 1 ? rows[0] : mx::concatenate(rows, 0);
}

void MlxOps::for_each(int count, const std::function<void(int)>& work) const {
  for (int i = 0; i < count; ++i) work(i);
}

std::unique_ptr<const Ops> make_mlx_ops() { return std::make_unique<MlxOps>(); }

}  // namespace mlxr::ops
