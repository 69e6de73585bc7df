// Products of a panel with so many tokens that it is unpacked first. With AMX, whose registers are tiles (up to 16 rows of 64 bytes), 16
// tokens at a time:
//
//   sums (16 tokens, 16 rows) += x (16 tokens, 4 depth bytes) · w (depth, 16 rows of 4 bytes)
//
// The vectors of a panel (panel.inl.h) are the rows of a tile of w: 8 of them hold 32 values of each of 16 rows; in a panel of BF16, whose
// values have 2 bytes, 16 do. x needs no rearranging: a token is a row.
//
// A token's result is the same one beside any number of others. Integer sums are int32 and exact, and what follows them is the arithmetic
// of block_product, which multiplies the tokens that fill no tile: for 9 to 15 of them it is as fast. The sums of bfloat16 pairs are
// rounded in another order than those of pair_product, so that tiles with fewer rows multiply any number of tokens: a single one as fast,
// because its weights come from memory, and 8 to 15 of them in a third of the time.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

// The thread that runs a product, and that may use its scratch memory.
struct Worker {
  mlxr_pool* pool;
  int thread;
};

// A panel with its quants as bytes and its scales as floats, shared by all tokens: for each 32 values 8 vectors, the scales and the
// offsets.
template <class P>
struct Unpacked : P {
  static constexpr int kParts = 1;
  static constexpr int64_t kBlockBytes = (8 + P::kGroups * (1 + P::kHasMin)) * kVector;
  static int64_t bytes(int64_t k) { return k / 32 * kBlockBytes; }

  static PanelBytes vector(const uint8_t* block, int, int j) { return load<PanelBytes>(block + j * kVector); }
  template <class Function>
  __attribute__((always_inline)) static void each_vector(const uint8_t* block, int, Function f) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const int j = i / 2 + i % 2 * 4;  // in Panel's order, on which the sums of pairs rely
      f(j, vector(block, 0, j));
    }
  }
  static typename P::Scales scales(const uint8_t* block, int) {
    typename P::Scales s{};
    for (int g = 0; g < P::kGroups; ++g) {
      s.scale[g] = load<F>(block + (8 + g) * kVector);
      if constexpr (P::kHasMin) s.offset[g] = load<F>(block + (8 + P::kGroups + g) * kVector);
    }
    return s;
  }

  static void fill(const uint8_t* panel, int64_t k, uint8_t* out) {
    for (int64_t b = 0; b < k / 32; ++b, out += kBlockBytes) {
      const uint8_t* block = panel + b / P::kParts * P::kBlockBytes;
      const int part = int(b % P::kParts);
      P::each_vector(block, part, [&](int j, PanelBytes w) __attribute__((always_inline)) { store(out + j * kVector, w); });
      const auto scales = P::scales(block, part);
      for (int g = 0; g < P::kGroups; ++g) {
        store(out + (8 + g) * kVector, scales.scale[g]);
        if constexpr (P::kHasMin) store(out + (8 + P::kGroups + g) * kVector, scales.offset[g]);
      }
    }
  }
};

#if !defined(__AMX_INT8__)
// Calls use with the panel's format where it is unpacked for this many tokens: for fewer that takes longer than is gained.
template <class Use>
inline void with_packed(uint32_t type, int64_t n_tokens, Use use) {
  with_panel(type, [&](auto format) {
    constexpr int64_t kLeast = format.kVectors == 4 && !format.kHasTable ? 48 : 32;
    if constexpr (format.kVectors < 8)
      if (n_tokens >= kLeast) use(format);
  });
}

// Bytes of scratch per thread that tiled_products needs.
inline int64_t tiled_scratch(uint32_t type, int64_t k, int64_t n_tokens) {
  int64_t bytes = 0;
  with_packed(type, n_tokens, [&](auto format) { bytes = Unpacked<decltype(format)>::bytes(k); });
  return bytes;
}

// Calls emit(out, panel, t, count) for the panels [begin, end) and groups of kTileTokens tokens: out[i], i < count, is the product of the
// panel with token t + i. Returns how many tokens it has done, from the first on; 0 where that is of no use.
template <class Emit>
inline int64_t tiled_products(const Worker& worker, const Panels& w, int64_t begin, int64_t end, const Activations& acts, int64_t n_tokens,
                              Emit emit) {
  int64_t tokens = 0;
  with_packed(w.type, n_tokens, [&](auto format) {
    using Format = Unpacked<decltype(format)>;
    tokens = n_tokens / kTileTokens * kTileTokens;
    auto* unpacked = static_cast<uint8_t*>(pool_scratch(worker.pool, worker.thread));
    F out[kTileTokens];
    for (int64_t index = begin; index < end; ++index) {
      Format::fill(w.at(index), w.k, unpacked);
      for (int64_t t = 0; t < tokens; t += kTileTokens) {
        block_product<kTileTokens, false>(Format{}, unpacked, acts, t, out);
        emit(out, index, t, kTileTokens);
      }
    }
  });
  return tokens;
}
#else
inline constexpr int kTiledTokens = 16;
static_assert(kTiledTokens == Activations::kGroup);

// The tile registers, by the values of x that a product takes in one instruction. Literal numbers, as GCC writes them into assembly.
#define TILE_SUMS 0
#define TILE_SUMS_TOO 1
#define TILE_X32 2
#define TILE_W32 3
#define TILE_X16 4
#define TILE_W16 5
#define TILE_X_PAIRS 6
#define TILE_W_PAIRS 7

// Shapes the tile registers of the thread, for this many tokens in a tile, for as long as it lives.
class TileUnit {
 public:
  explicit TileUnit(int64_t tokens) {
    struct alignas(64) {  // as LDTILECFG reads it
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 32, 64, 16, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 8, 16, 4, 16, 16};
    } shapes;
    constexpr int kOfTokens[] = {TILE_SUMS, TILE_SUMS_TOO, TILE_X32, TILE_X16, TILE_X_PAIRS};
    for (const int tile : kOfTokens) shapes.rows[tile] = uint8_t(tokens);
    asm volatile("" ::"r"(&shapes) : "memory");  // GCC's intrinsic declares that it reads the first 8 of these 64 bytes only
    _tile_loadconfig(&shapes);
  }
  ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;
};

// out[i] = the panel's rows · token t + i, by the formula of block_product. The tiles of a block are started before the sums of the
// previous block are used, because they take as long as all of those additions.
template <class P>
inline void tiled_blocks(P, const uint8_t* unpacked, const Activations& acts, int64_t t, F* out) {
  constexpr int kGroups = P::kGroups;
  const float* dx = acts.scale + acts.at(t);
  const float* sums = sums_of<P>(acts, t);
  const int32_t* starts = starts_of<P>(acts, t);
  alignas(64) int32_t d[2][kGroups][kTiledTokens * kLanes];
  const auto multiply = [&](int64_t b) __attribute__((always_inline)) {
    const int8_t* q = acts.q + t * acts.k + 32 * b;
    const uint8_t* w = unpacked + b * Unpacked<P>::kBlockBytes;
    _tile_zero(TILE_SUMS);
    if constexpr (kGroups == 1) {
      _tile_loadd(TILE_X32, q, acts.k);
      _tile_loadd(TILE_W32, w, kVector);
      _tile_dpbsud(TILE_SUMS, TILE_X32, TILE_W32);
    } else {
      _tile_loadd(TILE_X16, q, acts.k);
      _tile_loadd(TILE_W16, w, kVector);
      _tile_dpbsud(TILE_SUMS, TILE_X16, TILE_W16);
      _tile_zero(TILE_SUMS_TOO);
      _tile_loadd(TILE_X16, q + 16, acts.k);
      _tile_loadd(TILE_W16, w + 4 * kVector, kVector);
      _tile_dpbsud(TILE_SUMS_TOO, TILE_X16, TILE_W16);
      _tile_stored(TILE_SUMS_TOO, d[b % 2][kGroups - 1], kVector);
    }
    _tile_stored(TILE_SUMS, d[b % 2][0], kVector);
  };
  F total[kTiledTokens];
#pragma GCC unroll 16  // here and below: GCC then keeps the totals in registers
  for (int i = 0; i < kTiledTokens; ++i) total[i] = F{};
  multiply(0);
  for (int64_t b = 0; b < acts.n_blocks; ++b) {
    if (b + 1 < acts.n_blocks) multiply(b + 1);
    const auto scales = Unpacked<P>::scales(unpacked + b * Unpacked<P>::kBlockBytes, 0);
    for (int g = 0; g < kGroups; ++g) {
      const F scale = scales.scale[g], offset = scales.offset[g], base = base_of(scale);
#pragma GCC unroll 16
      for (int i = 0; i < kTiledTokens; ++i) {
        const int32_t start = P::kCentre != 0 ? starts[(b * kGroups + g) * kTiledTokens + i] : kSumBase;
        total[i] = add_block<P>(total[i], load<I>(d[b % 2][g] + i * kLanes) + start, scale, base, offset, dx[b * kTiledTokens + i],
                                sums[sum_row<P>(b, g) * kTiledTokens + i]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kTiledTokens; ++i) out[i] = total[i];
}

// The same for pairs of bfloat16, whose sums stay in the tile.
inline void tiled_pairs(const uint8_t* panel, const Activations& acts, int64_t t, F* out) {
  const int64_t n_pairs = acts.k / 2;
  _tile_zero(TILE_SUMS);
  for (int64_t c = 0; c < n_pairs; c += 16) {
    if (t == 0) fetch_ahead<true>(panel + c * kVector + kFetchAhead, 16 * kVector);
    _tile_loadd(TILE_X_PAIRS, acts.pairs + t * n_pairs + c, n_pairs * 4);
    _tile_loadd(TILE_W_PAIRS, panel + c * kVector, kVector);
    _tile_dpbf16ps(TILE_SUMS, TILE_X_PAIRS, TILE_W_PAIRS);
  }
  _tile_stored(TILE_SUMS, out, kVector);
}

// Bytes of scratch per thread that tiled_products needs.
inline int64_t tiled_scratch(uint32_t type, int64_t k, int64_t n_tokens) {
  int64_t bytes = 0;
  if (n_tokens >= kTiledTokens) with_panel(type, [&](auto format) { bytes = Unpacked<decltype(format)>::bytes(k); });
  return bytes;
}

// Calls emit(out, panel, t, count) for the panels [begin, end) and groups of kTiledTokens tokens, the last of which may have fewer of
// bfloat16: out[i], i < count, is the product of the panel with token t + i. Returns how many tokens it has done, from the first on; 0
// where tiles are of no use.
template <class Emit>
inline int64_t tiled_products(const Worker& worker, const Panels& w, int64_t begin, int64_t end, const Activations& acts, int64_t n_tokens,
                              Emit emit) {
  const bool pairs = static_cast<Type>(w.type) == Type::kBF16;
  if (pairs ? w.k % 32 != 0 : is_float(w.type)) return 0;
  const int64_t tokens = pairs ? n_tokens : n_tokens / kTiledTokens * kTiledTokens;
  if (tokens == 0) return 0;
  const TileUnit unit(imin(kTiledTokens, tokens));
  alignas(64) F out[kTiledTokens];
  const auto each_group = [&](int64_t index, auto product) {
    for (int64_t t = 0; t < tokens; t += kTiledTokens) {
      product(t);
      emit(out, index, t, int(imin(kTiledTokens, tokens - t)));
    }
  };
  if (pairs) {
    for (int64_t index = begin; index < end; ++index) each_group(index, [&](int64_t t) { tiled_pairs(w.at(index), acts, t, out); });
  } else {
    with_panel(w.type, [&](auto format) {
      using P = decltype(format);
      auto* unpacked = static_cast<uint8_t*>(pool_scratch(worker.pool, worker.thread));
      for (int64_t index = begin; index < end; ++index) {
        Unpacked<P>::fill(w.at(index), w.k, unpacked);
        asm volatile("" ::: "memory");  // the intrinsic that loads a tile does not declare that it reads memory
        each_group(index, [&](int64_t t) { tiled_blocks(format, unpacked, acts, t, out); });
      }
    });
  }
  return tokens;
}
#endif

}  // namespace mlxr::kernels::MLXR_ISA
