// Ops on the CPU kernel pack. Each call computes at once, on the caller's thread and the pack's pool, and returns an evaluated array. A
// lazy graph would gain nothing, because the kernels are fused by hand, and would cost a switch to MLX's stream thread for every node
// (docs/design.md has the measurement).
#include <mlx/allocator.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <numeric>
#include <span>

#include "core/ops/memory.h"
#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "core/ops/panel_maker.h"
#include "platform/page_cache.h"

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

struct PackedWeight final : Weight {
  PackedWeight(quant::Type type_of_panels, int rows, int columns, std::shared_ptr<const std::byte> its_panels,
               std::uint64_t its_paged_bytes, std::vector<float> its_bias)
      : Weight(rows, columns),
        type(type_of_panels),
        panels(std::move(its_panels)),
        paged_bytes(its_paged_bytes),
        bias(std::move(its_bias)) {}

  const quant::Type type;
  const std::shared_ptr<const std::byte> panels;
  const std::uint64_t paged_bytes;  // of the panels, which may not be in memory; 0: they are not paged
  const std::vector<float> bias;    // (n), or empty
};

const PackedWeight& own(const Weight& w) { return static_cast<const PackedWeight&>(w); }

mlxr_matrix matrix(const Weight& w) { return {static_cast<std::uint32_t>(own(w).type), w.n, w.k, own(w).panels.get()}; }

const float* bias_of(const Weight& w) { return own(w).bias.empty() ? nullptr : own(w).bias.data(); }

// Like an MLX operation, a kernel without memory for its work throws.
void check(std::int32_t done) {
  if (!done) throw std::bad_alloc();
}

mlxr_kv arena(const LayerCache& cache) {
  const auto& s = cache.shape;
  const auto memory = [](const mx::array& a) { return const_cast<void*>(a.data<void>()); };
  return {
      static_cast<std::uint32_t>(s.type), memory(cache.k), memory(cache.v), s.blocks, s.kv_heads, s.block_tokens, s.key_dim, s.value_dim};
}

static_assert(kMostTaps == MLXR_MAX_TAPS && kMostKeyDim == MLXR_MAX_KEY_DIM);

mlxr_states states(const mx::array& blocks, const StateShape& shape) {
  const auto size = shape.blocks == 0 ? 0 : static_cast<std::int64_t>(blocks.size()) / shape.blocks;
  return {const_cast<mx::array&>(blocks).data<float>(), size, shape.block_tokens};
}

struct PackStep final : Step {
  using Step::Step;

  struct Rotation {
    std::vector<float> cosines, sines;  // (T, pairs)
    std::int64_t pairs;
    bool interleaved;
  };
  struct Kind {
    std::vector<mlxr_sequence> sequences;
    int window;
  };
  std::vector<Rotation> rotations;
  std::vector<Kind> kinds;
  bool two_sided = false;
};

const PackStep& own(const Step& step) { return static_cast<const PackStep&>(step); }

mlxr_activation of_abi(Activation activation) {
  switch (activation) {
    case Activation::kSilu: return MLXR_ACT_SILU;
    case Activation::kGeluTanh: return MLXR_ACT_GELU_TANH;
    case Activation::kSigmoid: return MLXR_ACT_SIGMOID;
    case Activation::kNone: return MLXR_ACT_NONE;
    case Activation::kSquaredRelu: return MLXR_ACT_SQUARED_RELU;
    case Activation::kGelu: return MLXR_ACT_GELU;
    case Activation::kClampedSwiglu: break;
  }
  return MLXR_ACT_CLAMPED_SWIGLU;
}

// A row of a batch that takes an expert, and how much of it.
struct Taken {
  int row = 0;
  float weight = 0;
};

// Memory for the rows that take an expert, used again for the next expert.
struct ExpertRows {
  ExpertRows(std::size_t most, const Weight& gate, const Weight& down)
      : x(floats_of(most, gate.k)), hidden(floats_of(most, gate.n)), y(floats_of(most, down.n)) {}
  static std::unique_ptr<float[]> floats_of(std::size_t rows, int columns) {
    return std::make_unique_for_overwrite<float[]>(rows * static_cast<std::size_t>(columns));
  }
  std::unique_ptr<float[]> x, hidden, y;
};

// Has the system read what is not in memory of the experts that are taken, some of them ahead of the products: a product would wait for one
// page after the other.
class ReadAhead {
 public:
  ReadAhead(const ExpertWeights& weights, std::span<const std::vector<Taken>> taken) : weights_(weights), taken_(taken) {}

  // To be called for each expert before its products.
  void reach(std::size_t expert) {
    if (own(*weights_.up[0]).paged_bytes == 0) return;
    for (; next_ < taken_.size() && (next_ <= expert || bytes_ < kBytes); ++next_)
      each_of(next_, [&](const PackedWeight& w) {
        platform::read_ahead(w.panels.get(), w.paged_bytes);
        bytes_ += w.paged_bytes;
      });
    each_of(expert, [&](const PackedWeight& w) { bytes_ -= w.paged_bytes; });
  }

 private:
  // More would be in the way of what is needed before it, where memory is short.
  static constexpr std::uint64_t kBytes = 64 << 20;

  template <class Use>
  void each_of(std::size_t expert, Use use) const {
    if (taken_[expert].empty()) return;
    for (const auto* matrices : {&weights_.gate, &weights_.up, &weights_.down})
      if (!matrices->empty()) use(own(*(*matrices)[expert]));
  }

  const ExpertWeights& weights_;
  const std::span<const std::vector<Taken>> taken_;
  std::size_t next_ = 0;     // the first expert that is not asked for yet
  std::uint64_t bytes_ = 0;  // that were asked for, of experts that are not reached
};

class PackOps final : public Ops {
 public:
  explicit PackOps(std::shared_ptr<const KernelPack> pack) : pack_(std::move(pack)), kernels_(pack_->table()), pool_(pack_->pool()) {}

  mx::Dtype activation_type() const override { return mx::float32; }
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

  Result<WeightPtr> prepare(const formats::Tensor& tensor, std::span<const float> bias, Panels& panels) const override {
    auto memory = panels.find(tensor);
    if (!panels.cached()) {
      if (auto ok = make_panels(*pack_, tensor, panels); !ok) return fail(ok.error());
    }
    return std::make_shared<const PackedWeight>(panel_type(tensor.type), static_cast<int>(tensor.shape[0]),
                                                static_cast<int>(tensor.shape[1]), std::move(memory),
                                                panels.is_paged(tensor) ? panel_bytes(tensor) : 0, std::vector(bias.begin(), bias.end()));
  }

  std::unique_ptr<const Step> begin(Batch batch, const StepShape& shape) const override {
    auto step = std::make_unique<PackStep>(std::move(batch));
    const auto& positions = step->batch.positions;
    for (const auto& rope : shape.ropes) {
      const auto angles = positions.size() * rope.frequencies.size();
      auto& rotation = step->rotations.emplace_back(std::vector<float>(angles), std::vector<float>(angles),
                                                    static_cast<std::int64_t>(rope.frequencies.size()), rope.interleaved);
      const float magnitude = rope.growth == 0 ? rope.magnitude : 1;
      const mlxr_rotations_args args{
          positions.data(),        rope.frequencies.data(), static_cast<std::int64_t>(positions.size()), rotation.pairs, magnitude,
          rotation.cosines.data(), rotation.sines.data()};
      kernels_.rotations(pool_, &args);
      if (rope.growth != 0) grow(rotation, rope, positions);
    }
    step->two_sided = shape.two_sided;
    for (std::size_t kind = 0; kind < shape.windows.size(); ++kind) {
      auto& of_kind = step->kinds.emplace_back(std::vector<mlxr_sequence>(), shape.windows[kind]);
      for (const auto& s : step->batch.sequences) of_kind.sequences.push_back({s.first, s.count, s.length, s.pages[kind].data()});
    }
    return step;
  }

  mx::array embed(const Step& step, const Weight& table, float scale) const override {
    const auto& tokens = step.batch.tokens;
    auto y = fresh(static_cast<int>(tokens.size()), table.k);
    const mlxr_get_rows_args args{matrix(table), tokens.data(), static_cast<std::int64_t>(tokens.size()), scale, y.data<float>()};
    kernels_.get_rows(pool_, &args);
    return y;
  }

  mx::array output_rows(const Step& step, const mx::array& x) const override {
    const auto n = static_cast<std::size_t>(x.shape(1));
    auto y = fresh(static_cast<int>(step.batch.outputs.size()), x.shape(1));
    float* to = y.data<float>();
    for (const auto row : step.batch.outputs) {
      std::memcpy(to, floats(x) + static_cast<std::size_t>(row) * n, sizeof(float) * n);
      to += n;
    }
    return y;
  }

  mx::array q_gemm(const Step& step, const mx::array& x, const Weight& w, const std::optional<mx::array>& residual) const override {
    return products(step, x, {&w}, residual ? floats(*residual) : nullptr)[0];
  }
  std::vector<mx::array> q_gemm(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights) const override {
    return products(step, x, weights, nullptr);
  }

  mx::array gated_mlp(const Step& step, const mx::array& x, const Weight& gate, const Weight& up, Activation activation) const override {
    auto y = fresh(x.shape(0), gate.n);
    const mlxr_gated_args args{floats(x),     x.shape(0),  matrix(gate),       matrix(up),
                               bias_of(gate), bias_of(up), of_abi(activation), y.data<float>()};
    check(kernels_.gated_mlp(pool_, &args));
    const auto of_gate = step.changes(gate, x.shape(0)), of_up = step.changes(up, x.shape(0));
    if (of_gate.empty() && of_up.empty()) return y;
    // Where an adapter changes one of them, once more from the products of both.
    const auto both = products(step, x, {&gate, &up}, nullptr);
    for (const auto& changes : {of_gate, of_up})
      for (const auto& change : changes) gate_rows(both[0], both[1], activation, change, y);
    return y;
  }

  // Expert by expert, for the tokens that take it. A token's sum has the same order in every batch.
  mx::array experts(const mx::array& x, const mx::array& scores, const ExpertWeights& weights, const Routing& routing,
                    Activation activation, const std::optional<mx::array>& residual) const override {
    const auto tokens = static_cast<std::size_t>(x.shape(0)), count = static_cast<std::size_t>(scores.shape(1));
    auto y = fresh(x.shape(0), weights.down[0]->n);
    if (residual) {
      std::copy_n(floats(*residual), y.size(), y.data<float>());
    } else {
      std::fill_n(y.data<float>(), y.size(), 0.0f);
    }
    const auto bias = weights.bias ? std::span<const float>(floats(*weights.bias), count) : std::span<const float>();
    const float* scales = weights.scales ? floats(*weights.scales) : nullptr;
    std::vector<std::vector<Taken>> taken(count);
    for (std::size_t row = 0; row < tokens; ++row)
      for (const auto& [expert, weight] : route(std::span<const float>(floats(scores) + row * count, count), bias, routing))
        taken[static_cast<std::size_t>(expert)].push_back({static_cast<int>(row), weight * (scales ? scales[expert] : 1)});
    const auto most = std::ranges::max(taken, {}, &std::vector<Taken>::size).size();
    const ExpertRows rows(most, *weights.up[0], *weights.down[0]);
    ReadAhead ahead(weights, taken);
    for (std::size_t i = 0; i < count; ++i) {
      ahead.reach(i);
      add_expert(x, weights.gate.empty() ? nullptr : weights.gate[i].get(), *weights.up[i], *weights.down[i], activation, taken[i], rows,
                 y);
    }
    if (!weights.shared_up) return y;
    std::vector<Taken> all;
    for (int row = 0; row < x.shape(0); ++row) all.push_back({row, weights.shared_router ? share(x, row, *weights.shared_router) : 1});
    add_expert(x, weights.shared_gate.get(), *weights.shared_up, *weights.shared_down, activation, all,
               ExpertRows(tokens, *weights.shared_up, *weights.shared_down), y);
    return y;
  }

  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const std::int64_t d = weight.shape(0), rows = static_cast<std::int64_t>(x.size()) / d;
    const mlxr_rms_norm_args args{floats(x), floats(weight), residual ? floats(*residual) : nullptr, eps, rows, d, y.data<float>()};
    kernels_.rms_norm(pool_, &args);
    return y;
  }

  mx::array layer_norm(const mx::array& x, int d, const mx::array& weight, const std::optional<mx::array>& bias, float eps,
                       const std::optional<mx::array>& residual) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_layer_norm_args args{floats(x),
                                    floats(weight),
                                    bias ? floats(*bias) : nullptr,
                                    residual ? floats(*residual) : nullptr,
                                    eps,
                                    static_cast<std::int64_t>(x.size()) / d,
                                    d,
                                    weight.shape(0) / d,
                                    y.data<float>()};
    kernels_.layer_norm(pool_, &args);
    return y;
  }

  mx::array activate(const mx::array& x, Activation activation, const std::optional<mx::array>& times) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_activate_args args{floats(x), times ? floats(*times) : nullptr, x.shape(0), x.shape(1), of_abi(activation), y.data<float>()};
    kernels_.activate(pool_, &args);
    return y;
  }

  mx::array softcap(const mx::array& x, float cap) const override {
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_softcap_args args{floats(x), x.shape(0), x.shape(1), cap, y.data<float>()};
    kernels_.softcap(pool_, &args);
    return y;
  }

  mx::array rope(const Step& step, const mx::array& x, int rope, int head_dim) const override {
    const auto& rotation = own(step).rotations[static_cast<std::size_t>(rope)];
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_rope_args args{floats(x), rotation.cosines.data(), rotation.sines.data(), x.shape(0),     x.shape(1) / head_dim,
                              head_dim,  rotation.pairs,          rotation.interleaved,  y.data<float>()};
    kernels_.rope(pool_, &args);
    return y;
  }

  std::uint64_t cache_bytes(const CacheShape& s) const override {
    const auto keys = key_page_bytes(s), values = value_page_bytes(s);
    return keys == 0 || values == 0 ? 0 : (keys + values) * static_cast<std::uint64_t>(s.blocks) * static_cast<std::uint64_t>(s.kv_heads);
  }
  LayerCache make_cache(const CacheShape& s) const override {
    const auto half = [&](std::uint64_t page) {
      const auto bytes = page * static_cast<std::uint64_t>(s.blocks) * static_cast<std::uint64_t>(s.kv_heads);
      return mx::array(allocate(bytes), mx::Shape{s.kv_heads, s.blocks, static_cast<int>(page)}, mx::uint8);
    };
    return {.shape = s, .k = half(key_page_bytes(s)), .v = half(value_page_bytes(s))};
  }

  void kv_store(const Step& step, LayerCache& cache, const mx::array& k, const mx::array& v) const override {
    const auto& slots = step.batch.slots[static_cast<std::size_t>(cache.kind)];
    const mlxr_kv_store_args args{arena(cache), floats(k), floats(v), slots.data(), static_cast<std::int64_t>(slots.size())};
    kernels_.kv_store(pool_, &args);
  }

  mx::array attention(const Step& step, const mx::array& q, const LayerCache& cache, const AttentionOptions& options) const override {
    const auto& [sequences, window] = own(step).kinds[static_cast<std::size_t>(cache.kind)];
    const int heads = q.shape(1) / cache.shape.key_dim;
    auto y = fresh(q.shape(0), heads * cache.shape.value_dim);
    const mlxr_attention_args args{.q = floats(q),
                                   .kv = arena(cache),
                                   .sequences = sequences.data(),
                                   .n_sequences = static_cast<std::int32_t>(sequences.size()),
                                   .n_heads = heads,
                                   .scale = options.scale,
                                   .window = window,
                                   .two_sided = own(step).two_sided,
                                   .softcap = options.softcap,
                                   .sinks = options.sinks ? floats(*options.sinks) : nullptr,
                                   .y = y.data<float>()};
    check(kernels_.attention(pool_, &args));
    return y;
  }

  mx::array convolve(const Step& step, LayerState& state, const mx::array& x, const mx::array& weight,
                     const std::optional<mx::array>& bias) const override {
    const auto& sequences = own(step).kinds[static_cast<std::size_t>(state.kind)].sequences;
    auto y = fresh(x.shape(0), x.shape(1));
    const mlxr_convolve_args args{.x = floats(x),
                                  .weight = floats(weight),
                                  .bias = bias ? floats(*bias) : nullptr,
                                  .columns = x.shape(1),
                                  .taps = state.shape.taps,
                                  .sequences = sequences.data(),
                                  .n_sequences = static_cast<std::int32_t>(sequences.size()),
                                  .inputs = states(state.inputs, state.shape),
                                  .y = y.data<float>()};
    kernels_.convolve(pool_, &args);
    return y;
  }

  mx::array scan(const Step& step, LayerState& state, const mx::array& x, const mx::array& steps, const std::optional<mx::array>& strengths,
                 const ScanShape& shape, const ScanWeights& weights) const override {
    const auto& sequences = own(step).kinds[static_cast<std::size_t>(state.kind)].sequences;
    auto y = fresh(x.shape(0), shape.heads * shape.value_dim);
    const mlxr_scan_args args{.x = floats(x),
                              .columns = x.shape(1),
                              .query_at = shape.query_at,
                              .key_at = shape.key_at,
                              .value_at = shape.value_at,
                              .steps = floats(steps),
                              .strengths = strengths ? floats(*strengths) : nullptr,
                              .rates = floats(weights.rates),
                              .biases = floats(weights.biases),
                              .skip = weights.skip ? floats(*weights.skip) : nullptr,
                              .n_heads = shape.heads,
                              .n_key_heads = shape.key_heads,
                              .key_dim = shape.key_dim,
                              .value_dim = shape.value_dim,
                              .tiled = shape.tiled,
                              .sequences = sequences.data(),
                              .n_sequences = static_cast<std::int32_t>(sequences.size()),
                              .matrices = states(state.matrices, state.shape),
                              .y = y.data<float>()};
    kernels_.scan(pool_, &args);
    return y;
  }

  std::string cache_layout() const override { return kernels_.cache; }
  void export_block(const LayerCache& cache, int block, std::span<std::byte> bytes) const override {
    auto* to = bytes.data();
    for_each_page(cache, block, [&](std::byte* page, std::size_t size) { to = std::copy_n(page, size, to); });
  }
  void import_block(LayerCache& cache, int block, std::span<const std::byte> bytes) const override {
    const auto* from = bytes.data();
    for_each_page(cache, block, [&](std::byte* page, std::size_t size) {
      std::copy_n(from, size, page);
      from += size;
    });
  }

  bool computes_at_once() const override { return true; }
  void for_each(int count, const std::function<void(int)>& work) const override { run(pool_, count, work); }

 private:
  // The type of a matrix's panels.
  quant::Type panel_type(quant::Type type) const { return ops::panel_type(kernels_, type); }
  static std::uint32_t number(quant::Type type) { return static_cast<std::uint32_t>(type); }

  std::uint64_t key_page_bytes(const CacheShape& s) const {
    return static_cast<std::uint64_t>(kernels_.key_page_bytes(number(s.type), s.block_tokens, s.key_dim));
  }
  std::uint64_t value_page_bytes(const CacheShape& s) const {
    return static_cast<std::uint64_t>(kernels_.value_page_bytes(number(s.type), s.block_tokens, s.value_dim));
  }
  // Visits the pages of a block: the keys of each KV head, then the values.
  static void for_each_page(const LayerCache& cache, int block, const std::function<void(std::byte*, std::size_t)>& visit) {
    for (const auto* half : {&cache.k, &cache.v}) {
      auto* const memory = reinterpret_cast<std::byte*>(const_cast<std::uint8_t*>(half->data<std::uint8_t>()));
      const auto page = static_cast<std::size_t>(half->shape(2));
      for (int head = 0; head < half->shape(0); ++head)
        visit(memory + page * static_cast<std::size_t>(head * half->shape(1) + block), page);
    }
  }

  static void grow(PackStep::Rotation& rotation, const Rope& rope, const std::vector<std::int32_t>& positions) {
    const auto pairs = static_cast<std::size_t>(rotation.pairs);
    for (std::size_t i = 0; i < rotation.cosines.size(); ++i) {
      const float magnitude = rope.magnitude_at(positions[i / pairs]);
      rotation.cosines[i] *= magnitude;
      rotation.sines[i] *= magnitude;
    }
  }

  void run(mlxr_pool* pool, std::int64_t count, const std::function<void(int)>& work) const {
    const auto call = [](void* context, std::int64_t i, int) {
      (*static_cast<const std::function<void(int)>*>(context))(static_cast<int>(i));
    };
    kernels_.run(pool, count, call, const_cast<std::function<void(int)>*>(&work));
  }

  std::vector<mx::array> products(const Step& step, const mx::array& x, const std::vector<const Weight*>& weights,
                                  const float* residual) const {
    std::vector<mx::array> y;
    std::vector<mlxr_gemm_output> outputs;
    for (const Weight* w : weights) {
      y.push_back(fresh(x.shape(0), w->n));
      outputs.push_back({matrix(*w), bias_of(*w), residual, y.back().data<float>()});
    }
    multiply(floats(x), x.shape(0), x.shape(1), outputs);
    for (std::size_t i = 0; i < weights.size(); ++i)
      for (const auto& change : step.changes(*weights[i], x.shape(0))) add(change, x, y[i]);
    return y;
  }

  void multiply(const float* x, std::int64_t tokens, std::int64_t k, std::span<const mlxr_gemm_output> outputs) const {
    const mlxr_gemm_args args{x, tokens, k, static_cast<std::int32_t>(outputs.size()), outputs.data()};
    check(kernels_.q_gemm(pool_, &args));
  }

  // Adds what an adapter adds to its rows.
  void add(const Step::Change& change, const mx::array& x, mx::array& y) const {
    const auto& [down, up] = *change.by;
    std::vector<float> between(static_cast<std::size_t>(change.count * down->n));
    const float* from = floats(x) + static_cast<std::ptrdiff_t>(change.first) * x.shape(1);
    float* to = y.data<float>() + static_cast<std::ptrdiff_t>(change.first) * y.shape(1);
    multiply(from, change.count, down->k, {{{matrix(*down), nullptr, nullptr, between.data()}}});
    multiply(between.data(), change.count, up->k, {{{matrix(*up), nullptr, to, to}}});
  }

  // y += weight * down(act(gate(x)) * up(x)), for the rows that take the expert. Each of its matrices is read once.
  void add_expert(const mx::array& x, const Weight* gate, const Weight& up, const Weight& down, Activation activation,
                  std::span<const Taken> taken, const ExpertRows& rows, mx::array& y) const {
    if (taken.empty()) return;
    const auto count = static_cast<std::int64_t>(taken.size());
    const auto k = static_cast<std::size_t>(up.k), n = static_cast<std::size_t>(down.n);
    const float* from = floats(x);
    if (count != x.shape(0)) {
      each_row(taken.size(), k,
               [&](std::size_t i) { std::copy_n(from + static_cast<std::size_t>(taken[i].row) * k, k, rows.x.get() + i * k); });
      from = rows.x.get();
    }
    float* hidden = rows.hidden.get();
    if (gate) {
      const mlxr_gated_args args{from, count, matrix(*gate), matrix(up), bias_of(*gate), bias_of(up), of_abi(activation), hidden};
      check(kernels_.gated_mlp(pool_, &args));
    } else {
      multiply(from, count, up.k, {{{matrix(up), bias_of(up), nullptr, hidden}}});
      const mlxr_activate_args args{hidden, nullptr, count, up.n, of_abi(activation), hidden};
      kernels_.activate(pool_, &args);
    }
    multiply(hidden, count, down.k, {{{matrix(down), bias_of(down), nullptr, rows.y.get()}}});
    each_row(taken.size(), n, [&](std::size_t i) {
      const auto& [row, weight] = taken[i];
      float* to = y.data<float>() + static_cast<std::size_t>(row) * n;
      const float* added = rows.y.get() + i * n;
      for (std::size_t c = 0; c < n; ++c) to[c] += weight * added[c];
    });
  }
  // Calls work(i) for each of some rows, with threads where there are so many values that these are worth waking.
  void each_row(std::size_t count, std::size_t columns, const std::function<void(std::size_t)>& work) const {
    constexpr std::size_t kInlineValues = 16 * 1024;
    if (count * columns > kInlineValues)
      return run(pool_, static_cast<std::int64_t>(count), [&](int i) { work(static_cast<std::size_t>(i)); });
    for (std::size_t i = 0; i < count; ++i) work(i);
  }
  // sigmoid(x · router), for one row.
  static float share(const mx::array& x, int row, const mx::array& router) {
    const auto k = static_cast<std::size_t>(x.shape(1));
    const float dot = std::inner_product(floats(router), floats(router) + k, floats(x) + static_cast<std::size_t>(row) * k, 0.0f);
    return 1 / (1 + std::exp(-dot));
  }

  // y = act(g) * u, for the rows of a change.
  void gate_rows(const mx::array& g, const mx::array& u, Activation activation, const Step::Change& change, mx::array& y) const {
    const auto begin = static_cast<std::ptrdiff_t>(change.first) * y.shape(1);
    const mlxr_activate_args args{floats(g) + begin, floats(u) + begin,  change.count,
                                  y.shape(1),        of_abi(activation), y.data<float>() + begin};
    kernels_.activate(pool_, &args);
  }

  std::shared_ptr<const KernelPack> pack_;
  const mlxr_kernel_pack& kernels_;
  mlxr_pool* pool_;
};

}  // namespace

std::unique_ptr<const Ops> make_pack_ops(std::shared_ptr<const KernelPack> pack) { return std::make_unique<PackOps>(std::move(pack)); }

}  // namespace mlxr::ops
