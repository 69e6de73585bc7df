// Small fixed problems, run by the tested variant and by the scalar one. Tolerances are those of float32 sums in another order.
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "kernels/cpu/pool.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/types.h"

namespace mlxr::kernels {
namespace {

struct Random {
  uint32_t state = 12345;
  uint32_t next() { return state = state * 1664525 + 1013904223; }
  float real() { return float(next() >> 8) * 0x1p-23f - 1.0f; }
  std::vector<float> reals(size_t n) {
    std::vector<float> v(n);
    for (float& x : v) x = real();
    return v;
  }
};

// Random rows whose float16 fields hold small finite numbers. Any byte may be the high byte of a float16, so all bytes are below 0x3c,
// which makes every such number less than 1.0. The exponents of MXFP4 are those of 2^-16 to 1.
std::vector<uint8_t> packed_rows(Random& random, uint32_t type, int64_t n, int64_t k) {
  std::vector<uint8_t> bytes(size_t(n * row_bytes(type, k)));
  for (uint8_t& b : bytes) b = uint8_t((random.next() >> 24) % 0x3c);
  if (static_cast<Type>(type) == Type::kMXFP4)
    for (size_t i = 0; i < bytes.size(); i += size_t(layout(type).block_bytes)) bytes[i] = uint8_t(112 + bytes[i] % 17);
  return bytes;
}

bool near(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0, scale = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return false;
    worst = std::fmax(worst, std::fabs(double(a[i]) - b[i]));
    scale = std::fmax(scale, std::fabs(double(b[i])));
  }
  return worst <= 2e-5 * scale + 1e-6;
}

// A matrix in both variants' panels.
class Matrix {
 public:
  Matrix(const Operations& tested, mlxr_pool* pool, const mlxr_rows& rows) : tested_(&tested), rows_(rows) {
    fill(tested, pool, tested_panels_);
    fill(scalar::operations, pool, scalar_panels_);
  }
  mlxr_matrix of(const Operations& o) const {
    return {rows_.type, rows_.n, rows_.k, &o == tested_ ? tested_panels_.get() : scalar_panels_.get()};
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  using Memory = std::unique_ptr<void, Free>;

  void fill(const Operations& o, mlxr_pool* pool, Memory& panels) const {
    panels.reset(std::aligned_alloc(64, size_t(o.panel_bytes(rows_.type, rows_.n, rows_.k))));
    if (!panels) throw std::bad_alloc();
    o.make_panels(pool, &rows_, panels.get());
  }

  const Operations* tested_;
  mlxr_rows rows_;
  Memory tested_panels_, scalar_panels_;
};

// Runs `call(operations, y)` for both and compares the n results.
template <class Call>
bool agree(const Operations& tested, size_t n, Call call) {
  std::vector<float> ours(n, 0.0f), oracle(n, 0.0f);
  call(tested, ours.data());
  call(scalar::operations, oracle.data());
  return near(ours, oracle);
}

const char* check(const Operations& tested, mlxr_pool* pool) {
  Random random;
  const auto x = random.reals(21 * 256);
  for (uint32_t type = 0; type < kTypeNumbers; ++type) {
    if (layout(type).block_values == 0) continue;
    const int64_t n = 19, k = 256;
    const auto rows = packed_rows(random, type, n, k);
    const Matrix w(tested, pool, {type, n, k, rows.data()});
    for (const int64_t tokens : {1, 3, 9, 21}) {
      for (const float* bias : {static_cast<const float*>(nullptr), x.data() + 100}) {
        const float* residual = bias ? x.data() + 300 : nullptr;
        if (!agree(tested, size_t(n * tokens), [&](const Operations& o, float* y) {
              const mlxr_gemm_output output{w.of(o), bias, residual, y};
              const mlxr_gemm_args args{x.data(), tokens, k, 1, &output};
              o.q_gemm(pool, &args);
            }))
          return "q_gemm";
        if (!agree(tested, size_t(n * tokens), [&](const Operations& o, float* y) {
              const auto activation = bias ? MLXR_ACT_GELU_TANH : MLXR_ACT_SILU;
              const mlxr_gated_args args{x.data(), tokens, w.of(o), w.of(o), bias, residual, activation, y};
              o.gated_mlp(pool, &args);
            }))
          return "gated_mlp";
      }
    }
    const int32_t ids[] = {3, 18};
    if (!agree(tested, size_t(2 * k), [&](const Operations& o, float* y) {
          const mlxr_get_rows_args args{w.of(o), ids, 2, 0.5f, y};
          o.get_rows(pool, &args);
        }))
      return "get_rows";
  }
  const auto weight = random.reals(67);
  if (!agree(tested, 3 * 67, [&](const Operations& o, float* y) {
        const mlxr_rms_norm_args args{x.data(), weight.data(), x.data() + 256, 1e-5f, 3, 67, y};
        o.rms_norm(pool, &args);
      }))
    return "rms_norm";
  if (!agree(tested, 3 * 2 * 33, [&](const Operations& o, float* y) {
        const mlxr_layer_norm_args args{x.data(), x.data() + 300, x.data() + 400, x.data() + 500, 1e-5f, 3 * 2, 33, 2, y};
        o.layer_norm(pool, &args);
      }))
    return "layer_norm";
  for (const auto activation : {MLXR_ACT_SILU, MLXR_ACT_GELU_TANH, MLXR_ACT_CLAMPED_SWIGLU, MLXR_ACT_SIGMOID, MLXR_ACT_NONE,
                                MLXR_ACT_SQUARED_RELU, MLXR_ACT_GELU}) {
    if (!agree(tested, 3 * 67, [&](const Operations& o, float* y) {
          const mlxr_activate_args args{x.data(), x.data() + 300, 3, 67, activation, y};
          o.activate(pool, &args);
        }))
      return "activate";
  }
  if (!agree(tested, 3 * 67, [&](const Operations& o, float* y) {
        const mlxr_softcap_args args{x.data(), 3, 67, 0.7f, y};
        o.softcap(pool, &args);
      }))
    return "softcap";
  const int32_t positions[] = {0, 5, 100};
  if (!agree(tested, 2 * 3 * 8, [&](const Operations& o, float* y) {
        const mlxr_rotations_args args{positions, weight.data(), 3, 8, 1.0f, y, y + 3 * 8};
        o.rotations(pool, &args);
      }))
    return "rotations";
  if (!agree(tested, 3 * 2 * 20, [&](const Operations& o, float* y) {
        const mlxr_rope_args args{x.data(), x.data() + 200, x.data() + 300, 3, 2, 20, 8, 1, y};
        o.rope(pool, &args);
      }))
    return "rope";

  // Each variant reads the cache that it filled.
  const int64_t tokens = 21, key_dim = 64, value_dim = 32;
  const int32_t pages[] = {1, 0};
  int32_t slots[21];
  for (int32_t i = 0; i < 21; ++i) slots[i] = pages[i / 16] * 16 + i % 16;
  for (const Type type : {Type::kF16, Type::kQ8_0}) {
    for (const auto& [count, two_sided] : {std::pair<int64_t, int32_t>{1, 0}, {tokens, 0}, {tokens, 1}}) {
      if (!agree(tested, size_t(count * 4 * value_dim), [&](const Operations& o, float* y) {
            std::vector<uint8_t> k(size_t(2 * 2 * o.key_page_bytes(uint32_t(type), 16, key_dim)));
            std::vector<uint8_t> v(size_t(2 * 2 * o.value_page_bytes(uint32_t(type), 16, value_dim)));
            const mlxr_kv kv{uint32_t(type), k.data(), v.data(), 2, 2, 16, key_dim, value_dim};
            const mlxr_kv_store_args stored{kv, x.data(), x.data() + 700, slots, tokens};
            o.kv_store(pool, &stored);
            const mlxr_sequence sequence{0, count, tokens, pages};
            const mlxr_attention_args args{x.data(), kv, &sequence, 1, 4, 0.25f, 7, two_sided, 20.0f, weight.data(), y};
            o.attention(pool, &args);
          }))
        return "attention";
    }
  }

  // Two steps: the second goes on with the state of the first.
  for (const bool delta : {false, true}) {
    const int64_t columns = 2 * 20 + 2 * 37, size = 3 * columns;
    if (!agree(tested, size_t(tokens * columns), [&](const Operations& o, float* y) {
          std::vector<float> inputs(size_t(2 * size));
          for (const mlxr_sequence& s : {mlxr_sequence{0, 18, 18, pages}, mlxr_sequence{18, 3, tokens, pages}}) {
            const mlxr_convolve_args args{x.data(), x.data() + 900, x.data() + 100, columns, 4, &s, 1, {inputs.data(), size, 16}, y};
            o.convolve(pool, &args);
          }
        }))
      return "convolve";
    if (!agree(tested, size_t(tokens * 2 * 37), [&](const Operations& o, float* y) {
          std::vector<float> matrices(size_t(2 * 2 * 20 * 37));
          for (const mlxr_sequence& s : {mlxr_sequence{0, 18, 18, pages}, mlxr_sequence{18, 3, tokens, pages}}) {
            const mlxr_scan_args args{x.data(),
                                      columns,
                                      0,
                                      20,
                                      40,
                                      x.data() + 50,
                                      delta ? x.data() + 150 : nullptr,
                                      x.data() + 300,
                                      x.data() + 310,
                                      x.data() + 320,
                                      2,
                                      1,
                                      20,
                                      37,
                                      0,
                                      &s,
                                      1,
                                      {matrices.data(), 2 * 20 * 37, 16},
                                      y};
            o.scan(pool, &args);
          }
        }))
      return "scan";
  }
  return nullptr;
}

}  // namespace

const char* self_check(const Operations& tested) {
  mlxr_pool* pool = pool_create(1);
  if (pool == nullptr) return "pool_create";
  const char* failed;
  try {
    failed = check(tested, pool);
  } catch (...) {  // std::bad_alloc
    failed = "self_check";
  }
  pool_destroy(pool);
  return failed;
}

}  // namespace mlxr::kernels
