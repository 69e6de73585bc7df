// y[t][r] = x[t] · w[r] for a tile of up to kTileRows rows and kTileTokens tokens: the core of q_gemm and gated_mlp.
//
// Few tokens: each packed row is streamed once and its quants meet every token while they are in registers.
// Many tokens: a tile of kLanes rows is decoded once into an interleaved panel,
//   bytes[j][r][4]: values 4j..4j+3 of row r     scales[g][r], offsets[g][r]: of group g of row r
// so that a vector holds one row per lane, no sum crosses lanes, and four bytes of x are broadcast to all rows.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int kTileRows = 16;
inline constexpr int kTileTokens = 8;
inline constexpr int64_t kFewTokens = 4;
inline constexpr int kPanels = kTileRows / kLanes;
using Tile = float[kTileTokens][kTileRows];

// Bytes of scratch that a Rows of this width needs.
inline size_t rows_scratch(int64_t k) { return size_t(k) * kTileRows + size_t(k) / 32 * 2 * 2 * kTileRows * 4 + 256; }

class Rows {
 public:
  Rows(const mlxr_matrix& w, void* scratch, int64_t n_tokens)
      : w_(w), row_bytes_(row_bytes(w.type, w.k)), scratch_(static_cast<uint8_t*>(scratch)), few_(n_tokens <= kFewTokens) {}

  // Selects rows [row, row + count), count <= kTileRows.
  void select(int64_t row, int count) {
    base_ = static_cast<const uint8_t*>(w_.data) + row * row_bytes_;
    count_ = count;
    if (!few_ && !is_float(w_.type)) with_codec(w_.type, [&](auto codec) { fill_panels(codec); });
  }

  // Tokens [t, t + n), n <= kTileTokens, of x (floats) and a (the same as int8; unused by float types).
  void multiply(const float* x, const Activations& a, int64_t t, int n, Tile& out) {
    if (is_float(w_.type)) {
      for (int i = 0; i < n; i += 4) float_tile(x + (t + i) * w_.k, int(imin(4, n - i)), out, i);
    } else if (few_) {
      with_codec(w_.type, [&](auto codec) {
        switch (n) {
          case 1: return stream<1>(codec, a, t, out);
          case 2: return stream<2>(codec, a, t, out);
          case 3: return stream<3>(codec, a, t, out);
          default: return stream<4>(codec, a, t, out);
        }
      });
    } else {
      with_codec(w_.type, [&](auto codec) {
        for (int i = 0; i < n;) {
          if (n - i >= 8) {
            panel_tokens<8>(codec, a, t + i, out, i);
            i += 8;
          } else if (n - i >= 4) {
            panel_tokens<4>(codec, a, t + i, out, i);
            i += 4;
          } else if (n - i >= 2) {
            panel_tokens<2>(codec, a, t + i, out, i);
            i += 2;
          } else {
            panel_tokens<1>(codec, a, t + i, out, i);
            i += 1;
          }
        }
      });
    }
  }

 private:
  // ---- few tokens
  template <int kTokens, class C>
  void stream(C, const Activations& a, int64_t t, Tile& out) {
    const int64_t n_blocks = a.n_blocks, groups = n_blocks * C::kGroups;
    float* scales = reinterpret_cast<float*>(scratch_);
    float* offsets = scales + groups;
    const float* x_sums = C::kGroups == 2 ? a.half_sums : a.sums;
    for (int r = 0; r < count_; ++r) {
      const uint8_t* row = base_ + r * row_bytes_;
      C::scales(row, n_blocks, scales, offsets);
      F8 acc[kTokens] = {};
      for (int64_t b = 0; b < n_blocks; ++b) {
        const U8x32 u = C::quants(row, b);
        for (int i = 0; i < kTokens; ++i) {
          const I8 d = dot<C::kSigned>(I8{}, u, load<U8x32>(a.q + (t + i) * a.k + 32 * b));
          const float dx = a.scale[(t + i) * n_blocks + b];
          if constexpr (C::kGroups == 1) {
            acc[i] += __builtin_convertvector(d, F8) * (scales[b] * dx);
          } else {
            const float s0 = scales[2 * b] * dx, s1 = scales[2 * b + 1] * dx;
            acc[i] += __builtin_convertvector(d, F8) * F8{s0, s0, s0, s0, s1, s1, s1, s1};
          }
        }
      }
      for (int i = 0; i < kTokens; ++i) {
        const float* xs = x_sums + (t + i) * groups;
        F shift{};
        int64_t g = 0;
        for (; g + kLanes <= groups; g += kLanes) shift += load<F>(offsets + g) * load<F>(xs + g);
        float rest = 0;
        for (; g < groups; ++g) rest += offsets[g] * xs[g];
        out[i][r] = sum8(acc[i]) + (sum(shift) + rest);
      }
    }
  }

  // ---- many tokens
  uint8_t* panel_bytes(int panel) { return scratch_ + size_t(panel) * size_t(w_.k) * kLanes; }
  float* panel_scales(int panel, int64_t groups) {
    return reinterpret_cast<float*>(scratch_ + size_t(w_.k) * kTileRows) + int64_t(panel) * groups * kLanes * 2;
  }

  template <class C>
  void fill_panels(C) {
    const int64_t n_blocks = w_.k / 32, groups = n_blocks * C::kGroups;
    for (int panel = 0; panel < kPanels; ++panel) {
      uint8_t* bytes = panel_bytes(panel);
      float* scales = panel_scales(panel, groups);
      for (int lane = 0; lane < kLanes; ++lane) {
        const int r = panel * kLanes + lane;
        const uint8_t* row = base_ + imin(r, count_ - 1) * row_bytes_;  // rows past the end repeat the last; nobody reads their sums
        C::scales(row, n_blocks, scales + lane, scales + groups * kLanes + lane, kLanes);
        for (int64_t b = 0; b < n_blocks; ++b) {
          int32_t words[8];
          store(words, C::quants(row, b));
          for (int j = 0; j < 8; ++j) store(bytes + ((8 * b + j) * kLanes + lane) * 4, words[j]);
        }
      }
    }
  }

  template <int kTokens, class C>
  void panel_tokens(C, const Activations& a, int64_t t, Tile& out, int first) {
    constexpr int kGroups = C::kGroups;
    const int64_t n_blocks = a.n_blocks, groups = n_blocks * kGroups;
    const float* x_sums = (kGroups == 2 ? a.half_sums : a.sums) + t * groups;
    const float* x_scale = a.scale + t * n_blocks;
    const int8_t* q = a.q + t * a.k;
    for (int panel = 0; panel < kPanels; ++panel) {
      const uint8_t* bytes = panel_bytes(panel);
      const float* scales = panel_scales(panel, groups);
      const float* offsets = scales + groups * kLanes;
      F acc[kTokens] = {};
      for (int64_t b = 0; b < n_blocks; ++b) {
        for (int g = 0; g < kGroups; ++g) {
          I d[kTokens] = {};
          for (int j = 0; j < 8 / kGroups; ++j) {
            const int64_t at = 8 * b + g * (8 / kGroups) + j;
            const PanelBytes u = load<PanelBytes>(bytes + at * kLanes * 4);
            for (int i = 0; i < kTokens; ++i) d[i] = panel_dot<C::kSigned>(d[i], u, load<int32_t>(q + i * a.k + 4 * at));
          }
          const int64_t group = b * kGroups + g;
          const F s = load<F>(scales + group * kLanes), m = load<F>(offsets + group * kLanes);
          for (int i = 0; i < kTokens; ++i) {
            acc[i] += __builtin_convertvector(d[i], F) * (s * x_scale[i * n_blocks + b]);
            acc[i] += m * x_sums[i * groups + group];
          }
        }
      }
      for (int i = 0; i < kTokens; ++i) store(&out[first + i][panel * kLanes], acc[i]);
    }
  }

  // ---- float weights
  static F load_weights(const float* p) { return load<F>(p); }
  struct Half {
    uint16_t bits;
  };
  struct Brain {
    uint16_t bits;
  };
  static F load_weights(const Half* p) { return load_half(&p->bits); }
  static F load_weights(const Brain* p) { return load_bfloat(&p->bits); }
  static float one(const float* p) { return load<float>(p); }
  static float one(const Half* p) { return half(load<uint16_t>(p)); }
  static float one(const Brain* p) { return bfloat(load<uint16_t>(p)); }

  void float_tile(const float* x, int n, Tile& out, int first) {
    switch (static_cast<Type>(w_.type)) {
      case Type::kF32: return float_rows<float>(x, n, out, first);
      case Type::kF16: return float_rows<Half>(x, n, out, first);
      default: return float_rows<Brain>(x, n, out, first);
    }
  }
  template <class W>
  void float_rows(const float* x, int n, Tile& out, int first) {
    for (int r = 0; r < count_; r += 4) {
      const int rows = int(imin(4, count_ - r));
      if (n == 4 && rows == 4)
        float_block<W, 4, 4>(x, r, out, first);
      else if (rows == 4)
        for (int i = 0; i < n; ++i) float_block<W, 4, 1>(x + i * w_.k, r, out, first + i);
      else
        for (int j = 0; j < rows; ++j)
          for (int i = 0; i < n; ++i) float_block<W, 1, 1>(x + i * w_.k, r + j, out, first + i);
    }
  }
  template <class W, int kRows, int kTokens>
  void float_block(const float* x, int r, Tile& out, int first) {
    const int64_t k = w_.k, whole = k / kLanes * kLanes;
    const W* rows[kRows];
    for (int j = 0; j < kRows; ++j) rows[j] = reinterpret_cast<const W*>(base_ + (r + j) * row_bytes_);
    F acc[kRows][kTokens] = {};
    for (int64_t c = 0; c < whole; c += kLanes) {
      F v[kTokens];
      for (int i = 0; i < kTokens; ++i) v[i] = load<F>(x + i * k + c);
      for (int j = 0; j < kRows; ++j) {
        const F u = load_weights(rows[j] + c);
        for (int i = 0; i < kTokens; ++i) acc[j][i] += u * v[i];
      }
    }
    for (int j = 0; j < kRows; ++j) {
      for (int i = 0; i < kTokens; ++i) {
        float total = sum(acc[j][i]);
        for (int64_t c = whole; c < k; ++c) total += one(rows[j] + c) * x[i * k + c];
        out[first + i][r + j] = total;
      }
    }
  }

  const mlxr_matrix& w_;
  int64_t row_bytes_;
  uint8_t* scratch_;
  bool few_;
  const uint8_t* base_ = nullptr;
  int count_ = 0;
};

}  // namespace mlxr::kernels::MLXR_ISA
