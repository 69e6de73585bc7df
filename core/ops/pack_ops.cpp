// Ops on the CPU kernel pack. Each call computes at once, on the caller's thread and the pack's pool, and returns an evaluated array. A
// lazy graph would gain nothing, because the kernels are fused by hand, and would cost a switch to MLX's stream thread for every node
// (docs/design.md has the measurement).
#include <mlx/allocator.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <span>

#include "core/formats/printable.h"
#include "core/ops/memory.h"
#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "core/quant/dequantize.h"
#include "core/quant/quantize.h"

namespace mlxr::ops {
namespace {

// The data of an array, which is evaluated first if it is still a lazy MLX expression.
float* floats(const mx::array& array) {
  if (array.status() != mx::array::Status::available) const_cast<mx::array&>(array).eval();
  return const_cast<float*>(array.data<float>());
}

mx::array fresh(int rows, int columns) {
  const auto bytes = sizeof(float) * static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  return mx::array(allocate(bytes), mx::Shape{rows, columns}, mx::float32);
}

mlxr_matrix matrix(const Weight& w) { return {static_cast<std::uint32_t>(w.type), w.n, w.k, w.panels.get()}; }

const float* bias_of(const Weight& w) { return w.bias ? floats(*w.bias) : nullptr; }

// Like an MLX operation, a kernel without memory for its work throws.
void check(std::int32_t done) {
  if (!done) throw std::bad_alloc();
}

mlxr_kv arena(const LayerCache& cache) {
  const auto& s = cache.shape;
  const auto memory = [](const mx::array& a) { return const_cast<void*>(a.data<void>()); };
  return {
      static_cast<std::uint32_t>(s.type), memory(cache.k), memory(cache.v), s.blocks, s.kv_heads, s.block_tokens, s.head_dim, s.head_dim};
}

class PackOps final : public Ops {
 public:
  explicit PackOps(std::shared_ptr<const KernelPack> pack) : pack_(std::move(pack)), kernels_(pack_->table()), pool_(pack_->pool()) {}

  std::uint64_t panel_bytes(const formats::Tensor& tensor) const override {
    if (tensor.shape.size() != 2) return 0;
    return static_cast<std::uint64_t>(kernels_.panel_bytes(number(panel_type(tensor.type)), tensor.shape[0], tensor.shape[1]));
  }
  std::uint64_t weight_bytes(const formats::Tensor& tensor) const override {
    return tensor.shape.size() == 2 ? panel_bytes(tensor) : sizeof(float) * tensor.elements();
  }
  std::optional<quant::Type> converted_type(const formats::Tensor& tensor) const override {
    const auto type = panel_type(tensor.type);
    return tensor.shape.size() != 2 || type == tensor.type ? std::nullopt : std::optional(type);
  }
  std::string panel_layout() const override { return std::string(kernels_.panels) + "-" + kernels_.version; }

  Result<Weight> prepare(const formats::Tensor& tensor, Panels& panels) const override {
    auto memory = panels.find(tensor);
    if (!panels.cached()) {
      if (auto ok = make_panels(tensor, panels); !ok) return fail(ok.error());
    }
    return Weight{.type = panel_type(tensor.type),
                  .n = static_cast<int>(tensor.shape[0]),
                  .k = static_cast<int>(tensor.shape[1]),
                  .panels = std::move(memory)};
  }

  mx::array embed(const BatchPtr& batch, const Weight& table, float scale) const override {
    const auto count = batch->tokens.size();
    auto y = fresh(static_cast<int>(count), table.k);
    const mlxr_get_rows_args args{matrix(table), batch->tokens.data(), static_cast<std::int64_t>(count), scale, y.data<float>()};
    kernels_.get_rows(pool_, &args);
    return y;
  }

  mx::array output_rows(const mx::array& x, const BatchPtr& batch) const override {
    const auto n = static_cast<std::size_t>(x.shape(1));
    auto y = fresh(static_cast<int>(batch->outputs.size()), x.shape(1));
    float* to = y.data<float>();
    for (const auto row : batch->outputs) {
      std::memcpy(to, floats(x) + static_cast<std::size_t>(row) * n, sizeof(float) * n);
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
    const mlxr_gated_args args{floats(x),
                               x.shape(0),
                               matrix(gate),
                               matrix(up),
                               bias_of(gate),
                               bias_of(up),
                               activation == Activation::kSilu ? MLXR_ACT_SILU : MLXR_ACT_GELU_TANH,
                               y.data<float>()};
    check(kernels_.gated_mlp(pool_, &args));
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
    std::vector<float> cosines(static_cast<std::size_t>(x.shape(0) * pairs)), sines(cosines.size());
    const mlxr_rotations_args rotations{
        batch->positions.data(), options.frequencies->data(), x.shape(0), pairs, 1.0f, cosines.data(), sines.data()};
    kernels_.rotations(pool_, &rotations);
    const mlxr_rope_args args{floats(x), cosines.data(), sines.data(),        x.shape(0),     x.shape(1) / (2 * pairs),
                              2 * pairs, pairs,          options.interleaved, y.data<float>()};
    kernels_.rope(pool_, &args);
    return y;
  }

  std::uint64_t cache_bytes(const CacheShape& s) const override {
    const auto type = static_cast<std::uint32_t>(s.type);
    const auto pages =
        kernels_.key_page_bytes(type, s.block_tokens, s.head_dim) + kernels_.value_page_bytes(type, s.block_tokens, s.head_dim);
    return static_cast<std::uint64_t>(pages) * s.blocks * s.kv_heads;
  }
  LayerCache make_cache(const CacheShape& shape) const override {
    const auto half = [&](auto page_bytes) {
      const auto page = static_cast<int>(page_bytes(static_cast<std::uint32_t>(shape.type), shape.block_tokens, shape.head_dim));
      const auto bytes = static_cast<std::size_t>(page) * shape.blocks * shape.kv_heads;
      return mx::array(allocate(bytes), mx::Shape{shape.kv_heads, shape.blocks, page}, mx::uint8);
    };
    return {shape, half(kernels_.key_page_bytes), half(kernels_.value_page_bytes)};
  }

  void kv_store(LayerCache& cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const override {
    const mlxr_kv_store_args args{arena(cache), floats(k), floats(v), batch->slots.data(), static_cast<std::int64_t>(batch->slots.size())};
    kernels_.kv_store(pool_, &args);
  }
  bool computes_at_once() const override { return true; }
  void for_each(int count, const std::function<void(int)>& work) const override {
    const auto call = [](void* context, std::int64_t i, int) {
      (*static_cast<const std::function<void(int)>*>(context))(static_cast<int>(i));
    };
    kernels_.run(pool_, count, call, const_cast<std::function<void(int)>*>(&work));
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
                                   nullptr,
                                   y.data<float>()};
    check(kernels_.attention(pool_, &args));
    return y;
  }

 private:
  // The type of a matrix's panels. A type without a kernel (Q2_K, Q3_K) becomes Q8_0, whose rounding error, 1/254 of the largest of 32
  // values, is far below that of a type with fewer bits.
  quant::Type panel_type(quant::Type type) const { return kernels_.supports(number(type)) ? type : quant::Type::kQ8_0; }
  static std::uint32_t number(quant::Type type) { return static_cast<std::uint32_t>(type); }

  // Reads some rows of a tensor, in the type of its panels.
  static Result<void> read_rows(const formats::Tensor& tensor, quant::Type type, std::int64_t first, std::int64_t count,
                                std::vector<std::byte>& rows) {
    const auto k = static_cast<std::size_t>(tensor.shape[1]), values = static_cast<std::size_t>(count) * k;
    rows.resize(quant::row_bytes(tensor.type, values));
    if (auto ok = tensor.read(static_cast<std::uint64_t>(first) * quant::row_bytes(tensor.type, k), rows); !ok) return ok;
    if (type == tensor.type) return {};
    std::vector<float> decoded(values);
    quant::dequantize_row(tensor.type, rows.data(), decoded.data(), values);
    if (!std::ranges::all_of(decoded, [](float value) { return std::isfinite(value); })) {
      return fail(ErrorCode::kCorrupt, "The model is damaged: tensor " + formats::printable(tensor.name) +
                                           " holds values that are not numbers. Download or copy it again.");
    }
    rows.resize(quant::row_bytes(type, values));
    quant::quantize_row(type, decoded.data(), rows.data(), values);
    return {};
  }

  // Repacks some rows at a time, so that the panels are still in the processor's cache when they are written to the file.
  Result<void> make_panels(const formats::Tensor& tensor, Panels& panels) const {
    constexpr std::int64_t kPieceBytes = 1 << 20;
    struct alignas(64) Line {
      std::byte bytes[64];
    };
    const auto panels_type = panel_type(tensor.type);
    const auto type = number(panels_type);
    const auto n = tensor.shape[0], k = tensor.shape[1];
    const auto rows = std::max<std::int64_t>(1, kPieceBytes / kernels_.panel_bytes(type, MLXR_PANEL_ROWS, k)) * MLXR_PANEL_ROWS;
    const auto scratch =
        std::make_unique_for_overwrite<Line[]>(static_cast<std::size_t>(kernels_.panel_bytes(type, rows, k)) / sizeof(Line));
    std::vector<std::byte> packed;
    for (std::int64_t row = 0; row < n; row += rows) {
      const auto count = std::min(rows, n - row);
      if (auto ok = read_rows(tensor, panels_type, row, count, packed); !ok) return ok;
      const mlxr_rows piece{type, count, k, packed.data()};
      kernels_.make_panels(pack_->loading_pool(), &piece, scratch.get());
      const std::span made(scratch[0].bytes, static_cast<std::size_t>(kernels_.panel_bytes(type, piece.n, k)));
      if (auto ok = panels.append(tensor, made); !ok) return ok;
    }
    return {};
  }

  std::vector<mx::array> gemm(const mx::array& x, const std::vector<const Weight*>& weights, const float* residual) const {
    std::vector<mx::array> y;
    std::vector<mlxr_gemm_output> outputs;
    for (const Weight* w : weights) {
      y.push_back(fresh(x.shape(0), w->n));
      outputs.push_back({matrix(*w), bias_of(*w), residual, y.back().data<float>()});
    }
    const mlxr_gemm_args args{floats(x), x.shape(0), x.shape(1), static_cast<std::int32_t>(outputs.size()), outputs.data()};
    check(kernels_.q_gemm(pool_, &args));
    return y;
  }

  std::shared_ptr<const KernelPack> pack_;
  const mlxr_kernel_pack& kernels_;
  mlxr_pool* pool_;
};

}  // namespace

std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack) { return std::make_unique<PackOps>(std::move(pack)); }

}  // namespace mlxr::ops
