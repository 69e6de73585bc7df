// Ops on the CPU kernel pack. Each call computes at once, on the caller's thread and the pack's pool, and returns an array that has its
// value: a graph would bring nothing here (the kernels are fused by hand), and costs a hop to MLX's stream thread for every node
// (docs/design.md has the measurement).
#include <mlx/allocator.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "core/ops/ops.h"
#include "core/ops/pack.h"

namespace mlxr::ops {
namespace {

// The data of an array, which may be an MLX expression that nobody has evaluated yet.
float* floats(const mx::array& array) {
  if (array.status() != mx::array::Status::available) const_cast<mx::array&>(array).eval();
  return const_cast<float*>(array.data<float>());
}

mx::array fresh(int rows, int columns) {
  const auto bytes = sizeof(float) * static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  return mx::array(mx::allocator::malloc(bytes), mx::Shape{rows, columns}, mx::float32);
}

mlxr_matrix matrix(const Weight& w) { return {static_cast<std::uint32_t>(w.type), w.n, w.k, w.panels.get()}; }

mlxr_kv arena(const LayerCache& cache) {
  const auto& s = cache.shape;
  const auto memory = [](const mx::array& a) { return const_cast<void*>(a.data<void>()); };
  return {static_cast<std::uint32_t>(s.type), memory(cache.k), memory(cache.v), s.blocks, s.kv_heads, s.block_tokens, s.head_dim};
}

class PackOps final : public Ops {
 public:
  explicit PackOps(std::shared_ptr<const KernelPack> pack) : pack_(std::move(pack)), kernels_(pack_->table()), pool_(pack_->pool()) {}

  std::uint64_t panel_bytes(const formats::Tensor& tensor) const override {
    if (tensor.shape.size() != 2 || !kernels_.supports(static_cast<std::uint32_t>(tensor.type))) return 0;
    return static_cast<std::uint64_t>(kernels_.panel_bytes(static_cast<std::uint32_t>(tensor.type), tensor.shape[0], tensor.shape[1]));
  }
  std::string panel_layout() const override { return std::string(kernels_.panels) + "-" + kernels_.version; }

  Result<Weight> prepare(const formats::Tensor& tensor, Panels& panels) const override {
    if (!kernels_.supports(static_cast<std::uint32_t>(tensor.type))) {
      return fail(ErrorCode::kUnsupported, "The kernel pack cannot run tensor " + std::string(tensor.name) + " of type " +
                                               std::string(quant::traits(tensor.type).name) + "; set MLXR_KERNELS=mlx to run without it.");
    }
    auto memory = panels.find(tensor);
    if (!panels.cached()) {
      if (auto ok = make_panels(tensor, memory.get(), panels); !ok) return fail(ok.error());
    }
    return Weight{
        .type = tensor.type, .n = static_cast<int>(tensor.shape[0]), .k = static_cast<int>(tensor.shape[1]), .panels = std::move(memory)};
  }

  mx::array embed(const BatchPtr& batch, const Weight& table, float scale) const override {
    const auto count = batch->tokens.size();
    auto y = fresh(static_cast<int>(count), table.k);
    const mlxr_get_rows_args args{matrix(table), batch->tokens.data(), static_cast<std::int64_t>(count), scale, y.data<float>()};
    kernels_.get_rows(pool_, &args);
    return y;
  }

  mx::array last_rows(const mx::array& x, const BatchPtr& batch) const override {
    const int n = x.shape(1);
    auto y = fresh(static_cast<int>(batch->sequences.size()), n);
    float* to = y.data<float>();
    for (const auto& s : batch->sequences) {
      std::memcpy(to, floats(x) + static_cast<std::ptrdiff_t>(s.first + s.count - 1) * n, sizeof(float) * static_cast<std::size_t>(n));
      to += n;
    }
    return y;
  }

  mx::array q_gemm(const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override {
    return gemm(x, {&w}, residual ? floats(*residual) : nullptr)[0];
  }
  std::vector<mx::array> q_gemm(const mx::array& x, const std::vector<const Weight*>& weights) const override {
    return gemm(x, weights, nullptr);
  }

  mx::array gated_mlp(const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override {
    auto y = fresh(x.shape(0), gate.n);
    const mlxr_gated_args args{
        floats(x),      x.shape(0), matrix(gate), matrix(up), activation == Activation::kSilu ? MLXR_ACT_SILU : MLXR_ACT_GELU_TANH,
        y.data<float>()};
    kernels_.gated_mlp(pool_, &args);
    return y;
  }

  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const std::int64_t d = weight.shape(0), rows = static_cast<std::int64_t>(x.size()) / d;
    const mlxr_rms_norm_args args{floats(x), floats(weight), residual ? floats(*residual) : nullptr, eps, rows, d, y.data<float>()};
    kernels_.rms_norm(pool_, &args);
    return y;
  }

  mx::array rope(const mx::array& x, const BatchPtr& batch, const RopeOptions& options) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const auto pairs = static_cast<std::int64_t>(options.frequencies->size());
    const mlxr_rope_args args{floats(x),      batch->positions.data(),  options.frequencies->data(),
                              x.shape(0),     x.shape(1) / (2 * pairs), 2 * pairs,
                              pairs,          options.interleaved,      1.0f,
                              y.data<float>()};
    kernels_.rope(pool_, &args);
    return y;
  }

  std::uint64_t cache_bytes(const CacheShape& s) const override {
    const auto page = kernels_.page_bytes(static_cast<std::uint32_t>(s.type), s.block_tokens, s.head_dim);
    return 2ull * static_cast<std::uint64_t>(page) * s.blocks * s.kv_heads;
  }
  LayerCache make_cache(const CacheShape& shape) const override {
    const int page = static_cast<int>(kernels_.page_bytes(static_cast<std::uint32_t>(shape.type), shape.block_tokens, shape.head_dim));
    const auto half = [&] {
      return mx::array(mx::allocator::malloc(cache_bytes(shape) / 2), mx::Shape{shape.blocks, shape.kv_heads, page}, mx::uint8);
    };
    return {shape, half(), half()};
  }

  LayerCache kv_store(LayerCache cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const override {
    const mlxr_kv_store_args args{arena(cache), floats(k), floats(v), batch->slots.data(), static_cast<std::int64_t>(batch->slots.size())};
    kernels_.kv_store(pool_, &args);
    return cache;
  }

  mx::array attention(const mx::array& q, const LayerCache& cache, const BatchPtr& batch, const AttentionOptions& options) const override {
    auto y = fresh(q.shape(0), q.shape(1));
    std::vector<mlxr_sequence> sequences;
    for (const auto& s : batch->sequences) sequences.push_back({s.first, s.count, s.length, s.pages.data()});
    const mlxr_attention_args args{floats(q),
                                   arena(cache),
                                   sequences.data(),
                                   static_cast<std::int32_t>(sequences.size()),
                                   q.shape(1) / cache.shape.head_dim,
                                   options.scale,
                                   options.window,
                                   0.0f,
                                   y.data<float>()};
    kernels_.attention(pool_, &args);
    return y;
  }

  mx::array softmax(const mx::array& x) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_softmax_args args{floats(x), x.shape(0), x.shape(1), y.data<float>()};
    kernels_.softmax(pool_, &args);
    return y;
  }

 private:
  // Some rows at a time, so that they are still in the processor's cache when they are written.
  Result<void> make_panels(const formats::Tensor& tensor, const std::byte* at, Panels& panels) const {
    constexpr std::int64_t kPieceBytes = 1 << 20;
    struct alignas(64) Line {
      std::byte bytes[64];
    };
    const auto type = static_cast<std::uint32_t>(tensor.type);
    const auto n = tensor.shape[0], k = tensor.shape[1];
    const auto row_bytes = tensor.data.size() / static_cast<std::size_t>(n);
    const auto rows = std::max<std::int64_t>(1, kPieceBytes / kernels_.panel_bytes(type, MLXR_PANEL_ROWS, k)) * MLXR_PANEL_ROWS;
    const auto scratch =
        std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(kernels_.panel_bytes(type, rows, k)) / sizeof(Line));
    for (std::int64_t row = 0; row < n; row += rows) {
      const mlxr_rows piece{type, std::min(rows, n - row), k, tensor.data.data() + static_cast<std::size_t>(row) * row_bytes};
      kernels_.make_panels(pack_->loading_pool(), &piece, scratch.get());
      const std::span made(scratch[0].bytes, static_cast<std::size_t>(kernels_.panel_bytes(type, piece.n, k)));
      if (auto ok = panels.write(at, made); !ok) return ok;
      at += made.size();
    }
    return {};
  }

  std::vector<mx::array> gemm(const mx::array& x, const std::vector<const Weight*>& weights, const float* residual) const {
    std::vector<mx::array> y;
    std::vector<mlxr_gemm_output> outputs;
    for (const Weight* w : weights) {
      y.push_back(fresh(x.shape(0), w->n));
      outputs.push_back({matrix(*w), w->bias ? floats(*w->bias) : nullptr, residual, y.back().data<float>()});
    }
    const mlxr_gemm_args args{floats(x), x.shape(0), x.shape(1), static_cast<std::int32_t>(outputs.size()), outputs.data()};
    kernels_.q_gemm(pool_, &args);
    return y;
  }

  std::shared_ptr<const KernelPack> pack_;
  const mlxr_kernel_pack& kernels_;
  mlxr_pool* pool_;
};

}  // namespace

std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack) { return std::make_unique<PackOps>(std::move(pack)); }

}  // namespace mlxr::ops
