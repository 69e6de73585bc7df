// Ops on the CPU kernel pack: each operation is one graph node.
#include <mlx/ops.h>
#include <mlx/stream.h>

#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "core/ops/pack_primitive.h"

namespace mlxr::ops {
namespace {

using Pointers = PackPrimitive::Pointers;

float* floats(void* p) { return static_cast<float*>(p); }

// What a kernel needs to know of a weight once its data is a pointer.
struct MatrixShape {
  std::uint32_t type;
  std::int64_t n, k;
  bool has_bias;
};

MatrixShape shape_of(const Weight& w) { return {static_cast<std::uint32_t>(w.type), w.n, w.k, w.bias.has_value()}; }

class PackOps final : public Ops {
 public:
  explicit PackOps(std::shared_ptr<const KernelPack> pack)
      : pack_(std::move(pack)), stream_(mx::new_thread_unsafe_stream(mx::Device::cpu)) {}

  Result<Weight> prepare(const formats::Tensor& tensor, std::shared_ptr<const void> owner) const override {
    if (!pack_->table().supports(static_cast<std::uint32_t>(tensor.type))) {
      return fail(ErrorCode::kUnsupported, "The kernel pack cannot run tensor " + std::string(tensor.name) + " of type " +
                                               std::string(quant::traits(tensor.type).name) + "; set MLXR_KERNELS=mlx to run without it.");
    }
    const int n = static_cast<int>(tensor.shape[0]), k = static_cast<int>(tensor.shape[1]);
    const int row = static_cast<int>(quant::row_bytes(tensor.type, k));
    return Weight{
        tensor.type, n, k, mx::array(const_cast<std::byte*>(tensor.data.data()), mx::Shape{n, row}, mx::uint8, [owner](void*) {}), {}};
  }

  mx::array embed(const BatchPtr& batch, const Weight& table, float scale) const override {
    const int count = static_cast<int>(batch->tokens.size());
    return run(
        "get_rows",
        [pack = pack_, batch, scale, s = shape_of(table)](const Pointers& in, const Pointers& out) {
          mlxr_get_rows_args args{
              {s.type, s.n, s.k, in[0]}, batch->tokens.data(), static_cast<std::int64_t>(batch->tokens.size()), scale, floats(out[0])};
          pack->table().get_rows(pack->pool(), &args);
        },
        {table.values}, {{count, table.k}})[0];
  }

  mx::array q_gemm(const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override {
    return gemm(x, {&w}, residual)[0];
  }
  std::vector<mx::array> q_gemm(const mx::array& x, const std::vector<const Weight*>& weights) const override {
    return gemm(x, weights, {});
  }

  mx::array gated_mlp(const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override {
    const auto act = activation == Activation::kSilu ? MLXR_ACT_SILU : MLXR_ACT_GELU_TANH;
    return run("gated_mlp",
               [pack = pack_, tokens = x.shape(0), act, g = shape_of(gate), u = shape_of(up)](const Pointers& in, const Pointers& out) {
                 mlxr_gated_args args{floats(in[0]), tokens, {g.type, g.n, g.k, in[1]}, {u.type, u.n, u.k, in[2]}, act, floats(out[0])};
                 pack->table().gated_mlp(pack->pool(), &args);
               },
               {x, gate.values, up.values}, {{x.shape(0), gate.n}})[0];
  }

  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps) const override {
    const std::int64_t d = weight.shape(0), rows = static_cast<std::int64_t>(x.size()) / d;
    return run("rms_norm",
               [pack = pack_, eps, rows, d](const Pointers& in, const Pointers& out) {
                 mlxr_rms_norm_args args{floats(in[0]), nullptr, floats(in[1]), eps, rows, d, nullptr, floats(out[0])};
                 pack->table().rms_norm(pack->pool(), &args);
               },
               {x, weight}, {x.shape()})[0];
  }

  mx::array rope(const mx::array& x, const BatchPtr& batch, const RopeOptions& options) const override {
    return run("rope",
               [pack = pack_, batch, options, shape = x.shape()](const Pointers& in, const Pointers& out) {
                 mlxr_rope_args args{floats(in[0]),
                                     batch->positions.data(),
                                     options.frequencies->data(),
                                     shape[0],
                                     shape[1],
                                     shape[2],
                                     static_cast<std::int64_t>(options.frequencies->size()),
                                     options.interleaved,
                                     1.0f,
                                     floats(out[0])};
                 pack->table().rope(pack->pool(), &args);
               },
               {x}, {x.shape()})[0];
  }

  LayerCache kv_store(LayerCache cache, const mx::array& k, const mx::array& v, const BatchPtr& batch) const override {
    const auto shape = cache.k.shape();
    auto stored = PackPrimitive::apply(
        "kv_store", stream_,
        [pack = pack_, batch, shape](const Pointers& in, const Pointers& out) {
          mlxr_kv_store_args args{arena(out[0], out[1], shape), floats(in[2]), floats(in[3]), batch->slots.data(),
                                  static_cast<std::int64_t>(batch->slots.size())};
          pack->table().kv_store(pack->pool(), &args);
        },
        {cache.k, cache.v, k, v}, {shape, shape}, mx::float16, 2);
    return {stored[0], stored[1]};
  }

  mx::array attention(const mx::array& q, const LayerCache& cache, const BatchPtr& batch, const AttentionOptions& options) const override {
    return run("attention",
               [pack = pack_, batch, options, heads = q.shape(1), shape = cache.k.shape()](const Pointers& in, const Pointers& out) {
                 std::vector<mlxr_sequence> sequences;
                 for (const auto& s : batch->sequences) sequences.push_back({s.first, s.count, s.length, s.pages.data()});
                 mlxr_attention_args args{floats(in[0]),
                                          arena(in[1], in[2], shape),
                                          sequences.data(),
                                          static_cast<std::int32_t>(sequences.size()),
                                          heads,
                                          options.scale,
                                          options.window,
                                          0.0f,
                                          floats(out[0])};
                 pack->table().attention(pack->pool(), &args);
               },
               {q, cache.k, cache.v}, {{q.shape(0), q.shape(1) * q.shape(2)}})[0];
  }

  mx::array softmax(const mx::array& x) const override {
    const std::int64_t d = x.shape(-1), rows = static_cast<std::int64_t>(x.size()) / d;
    return run("softmax",
               [pack = pack_, rows, d](const Pointers& in, const Pointers& out) {
                 mlxr_softmax_args args{floats(in[0]), rows, d, floats(out[0])};
                 pack->table().softmax(pack->pool(), &args);
               },
               {x}, {x.shape()})[0];
  }

 private:
  static mlxr_kv arena(void* k, void* v, const mx::Shape& shape) {
    return {static_cast<std::uint16_t*>(k), static_cast<std::uint16_t*>(v), shape[0], shape[1], shape[2], shape[3]};
  }

  std::vector<mx::array> run(const char* name, PackPrimitive::Kernel kernel, std::vector<mx::array> inputs,
                             std::vector<mx::Shape> shapes) const {
    return PackPrimitive::apply(name, stream_, std::move(kernel), std::move(inputs), std::move(shapes), mx::float32);
  }

  // Inputs: x, the residual if there is one, then of each matrix its data and, if it has one, its bias.
  std::vector<mx::array> gemm(const mx::array& x, const std::vector<const Weight*>& weights,
                              const std::optional<mx::array>& residual) const {
    std::vector<mx::array> inputs{x};
    std::vector<mx::Shape> shapes;
    std::vector<MatrixShape> matrices;
    if (residual) inputs.push_back(*residual);
    for (const Weight* w : weights) {
      inputs.push_back(w->values);
      if (w->bias) inputs.push_back(*w->bias);
      shapes.push_back({x.shape(0), w->n});
      matrices.push_back(shape_of(*w));
    }
    return run(
        "q_gemm",
        [pack = pack_, matrices, tokens = x.shape(0), k = x.shape(1), add = residual.has_value()](const Pointers& in, const Pointers& out) {
          std::size_t next = 1;
          const float* rest = add ? floats(in[next++]) : nullptr;
          std::vector<mlxr_gemm_output> outputs;
          for (std::size_t i = 0; i < matrices.size(); ++i) {
            const auto& m = matrices[i];
            const void* data = in[next++];
            const float* bias = m.has_bias ? floats(in[next++]) : nullptr;
            outputs.push_back({{m.type, m.n, m.k, data}, bias, rest, floats(out[i])});
          }
          mlxr_gemm_args args{floats(in[0]), tokens, k, static_cast<std::int32_t>(outputs.size()), outputs.data()};
          pack->table().q_gemm(pack->pool(), &args);
        },
        std::move(inputs), std::move(shapes));
  }

  std::shared_ptr<const KernelPack> pack_;
  mx::Stream stream_;
};

}  // namespace

std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack) { return std::make_unique<PackOps>(std::move(pack)); }

}  // namespace mlxr::ops
