// Weights in the layout that the products read: panels of kLanes rows, interleaved so that a vector holds one row per lane, no sum crosses
// lanes, and four values of x are broadcast to all rows. Made once from the file's rows, and of the same size (Q4_K and Q5_K: 3 % more).
//
// A vector V is kLanes words of 4 bytes, a word for each row. A panel of a block format is one stream, so that the processor fetches ahead:
// for every 32 values (256, in the formats that have such blocks) their scales, a row per lane,
//   Q4_0, Q5_0, Q8_0   d:f16[kLanes]
//   Q4_1, Q5_1         d:f16[kLanes] m:f16[kLanes]
//   Q4_K, Q5_K         d:f16[kLanes] dmin:f16[kLanes], then for each 32 values  scale:u8[kLanes] min:u8[kLanes]
//   Q6_K               d:f16[kLanes], then for each 16 values  scale:i8[kLanes]
// and then, for each 32 of them, their quants:
//   4-bit types   V[4]   byte i of word j: value 4j + i in the low nibble, value 16 + 4j + i in the high one
//   5-bit types   V[4] as above, V[1]: bit j of byte i is the fifth bit of value 4j + i (j in 0..7)
//   Q6_K          V[4] as above, V[2]: bits 2j, 2j + 1 of byte i are the upper bits of value 4j + i in the first, 16 + 4j + i in the second
//   Q8_0          V[8]   word j: values 4j..4j + 3, plus kQ8Zero
// A panel of a float type is [k][kLanes]; of BF16, where the processor multiplies pairs of it, [k / 2][kLanes][2]. Rows past the last are
// zero. Panels begin at multiples of 64 bytes.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int64_t kVector = 4 * kLanes;  // bytes

// The centres of the formats that have one: Q4_0's, Q5_0's, Q8_0's and Q6_K's, which has a scale for each half of 32 values.
inline constexpr int kCentres = 4, kHalves = 3;
inline constexpr int kCentreOf[kCentres] = {8, 16, kQ8Zero, 32};

template <Type kType>
struct Panel {
  using Source = Block<kType>;
  static constexpr bool kBig = Source::kBig;
  static constexpr bool kHasMin = kType == Type::kQ4_1 || kType == Type::kQ5_1 || kType == Type::kQ4_K || kType == Type::kQ5_K;
  static constexpr int kHighBits = kType == Type::kQ6_K ? 2 : kType == Type::kQ5_0 || kType == Type::kQ5_1 || kType == Type::kQ5_K ? 1 : 0;
  static constexpr int kVectors = kType == Type::kQ8_0 ? 8 : 4 + kHighBits;  // of 32 values
  static constexpr int kGroups = kType == Type::kQ6_K ? 2 : 1;               // scales per 32 values
  // Pair sums that fit int16 together: a pair is at most 2 * u * 127, so 8 of u <= 15 make 30480, 4 of 31 31496, 2 of 63 32004.
  static constexpr int kRun = kVectors == 8 ? 1 : 8 >> kHighBits;
  static constexpr bool kSigned = kType == Type::kQ8_0 && kQ8Zero == 0;
  static constexpr int kCentreIndex = kType == Type::kQ4_0   ? 0
                                      : kType == Type::kQ5_0 ? 1
                                      : kType == Type::kQ8_0 ? 2
                                      : kType == Type::kQ6_K ? kHalves
                                                             : -1;
  static constexpr int kCentre = kCentreIndex < 0 ? 0 : kCentreOf[kCentreIndex < 0 ? 0 : kCentreIndex];
  static constexpr int kParts = kBig ? 8 : 1;  // of 32 values, in a block
  static constexpr int64_t kScaleBytes = kLanes * (kType == Type::kQ6_K ? 18 : kBig ? 20 : kHasMin ? 4 : 2);
  static constexpr int64_t kBlockBytes = kScaleBytes + kParts * kVectors * kVector;

  static int64_t bytes(int64_t k) { return (k / (32 * kParts) * kBlockBytes + 63) / 64 * 64; }

  // The values 4j..4j + 3 of a part of a block, of each row.
  __attribute__((always_inline)) static PanelBytes vector(const uint8_t* block, int part, int j) {
    const uint8_t* p = block + kScaleBytes + part * kVectors * kVector;
    if constexpr (kVectors == 8) return load<PanelBytes>(p + j * kVector);
    const bool up = j >= 4;
    const int i = j % 4;
    const I both = load<I>(p + i * kVector);
    I u = (up ? both >> 4 : both) & 0x0f0f0f0f;
    if constexpr (kHighBits == 1) {
      const I high = load<I>(p + 4 * kVector);
      u |= (up ? high >> i : high << (4 - i)) & 0x10101010;
    }
    if constexpr (kHighBits == 2) {
      const I high = load<I>(p + (4 + up) * kVector);
      u |= (i < 2 ? high << (4 - 2 * i) : i == 2 ? high : high >> 2) & 0x30303030;
    }
    return reinterpret_cast<PanelBytes>(u);
  }

  // Calls f(j, vector(block, part, j)) for j in 0..7, in an order in which two use the same word of a panel.
  template <class Function>
  __attribute__((always_inline)) static void each_vector(const uint8_t* block, int part, Function f) {
    if constexpr (kVectors == 8) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) f(j, vector(block, part, j));
    } else {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        f(j, vector(block, part, j));
        f(4 + j, vector(block, part, 4 + j));
      }
    }
  }

  // weight = scale * u + offset, for each group of a part.
  struct Scales {
    F scale[kGroups], offset[kGroups];
  };
  __attribute__((always_inline)) static Scales scales(const uint8_t* p, int part) {
    Scales s;
    s.scale[0] = load_half(p);
    if constexpr (kType == Type::kQ6_K) {
      const F d = s.scale[0];
      for (int g = 0; g < 2; ++g) {
        s.scale[g] = d * load_bytes<int8_t>(p + (2 + part * 2 + g) * kLanes);
        s.offset[g] = float(-kCentre) * s.scale[g];
      }
    } else if constexpr (kBig) {
      const uint8_t* group = p + (4 + part * 2) * kLanes;
      s.offset[0] = -load_half(p + 2 * kLanes) * load_bytes<uint8_t>(group + kLanes);
      s.scale[0] *= load_bytes<uint8_t>(group);
    } else if constexpr (kHasMin) {
      s.offset[0] = load_half(p + 2 * kLanes);
    } else {
      s.offset[0] = float(-kCentre) * s.scale[0];
    }
    return s;
  }

  // Puts a row of the file into lane `lane`.
  static void put(const uint8_t* row, int64_t k, int lane, uint8_t* panel) {
    for (int64_t b = 0; b < k / 32; ++b) {
      uint8_t u[32];
      Source::quants(row, b, u);
      uint32_t words[8], out[8] = {};
      std::memcpy(words, u, 32);
      if constexpr (kVectors == 8) {
        for (int j = 0; j < 8; ++j) out[j] = words[j] ^ uint32_t(kQ8Zero) * 0x01010101u;  // adding 128 to a signed byte flips its sign bit
      } else {
        for (int j = 0; j < 4; ++j) out[j] = (words[j] & 0x0f0f0f0f) | (words[4 + j] & 0x0f0f0f0f) << 4;
        if constexpr (kHighBits == 1)
          for (int j = 0; j < 8; ++j) out[4] |= (words[j] >> 4 & 0x01010101) << j;
        if constexpr (kHighBits == 2)
          for (int j = 0; j < 8; ++j) out[4 + j / 4] |= (words[j] >> 4 & 0x03030303) << 2 * (j % 4);
      }
      uint8_t* p = panel + b / kParts * kBlockBytes + kScaleBytes + b % kParts * kVectors * kVector + 4 * lane;
      for (int v = 0; v < kVectors; ++v) store(p + v * kVector, out[v]);
    }
    for (uint8_t* p = panel; p < panel + k / (32 * kParts) * kBlockBytes; p += kBlockBytes, row += Source::kBytes) {
      if constexpr (kType == Type::kQ6_K) {
        std::memcpy(p + 2 * lane, row + 208, 2);
        for (int i = 0; i < 16; ++i) p[(2 + i) * kLanes + lane] = row[192 + i];
      } else {
        std::memcpy(p + 2 * lane, row, 2);
        if constexpr (kHasMin) std::memcpy(p + 2 * kLanes + 2 * lane, row + 2, 2);
        if constexpr (kBig) {
          for (int g = 0; g < 8; ++g) {
            const auto s = Source::scale_min(row, g);
            p[(4 + 2 * g) * kLanes + lane] = s.scale;
            p[(5 + 2 * g) * kLanes + lane] = s.min;
          }
        }
      }
    }
  }
};

// Calls f with Panel<type>{} for a block format.
template <class Function>
inline void with_panel(uint32_t type, Function f) {
  switch (static_cast<Type>(type)) {
    case Type::kQ4_0: return f(Panel<Type::kQ4_0>{});
    case Type::kQ4_1: return f(Panel<Type::kQ4_1>{});
    case Type::kQ5_0: return f(Panel<Type::kQ5_0>{});
    case Type::kQ5_1: return f(Panel<Type::kQ5_1>{});
    case Type::kQ8_0: return f(Panel<Type::kQ8_0>{});
    case Type::kQ4_K: return f(Panel<Type::kQ4_K>{});
    case Type::kQ5_K: return f(Panel<Type::kQ5_K>{});
    case Type::kQ6_K: return f(Panel<Type::kQ6_K>{});
    default: return;
  }
}

// Where value c of a lane lies in a panel of a float type, in values.
inline int64_t float_at(uint32_t type, int64_t c, int lane) {
  if (kBf16Pairs && static_cast<Type>(type) == Type::kBF16) return (c / 2 * kLanes + lane) * 2 + c % 2;
  return c * kLanes + lane;
}

inline int64_t panel_size(uint32_t type, int64_t k) {
  if (kBf16Pairs && static_cast<Type>(type) == Type::kBF16) k += k % 2;
  if (is_float(type)) return (k * kLanes * layout(type).block_bytes + 63) / 64 * 64;
  int64_t size = 0;
  with_panel(type, [&](auto panel) { size = panel.bytes(k); });
  return size;
}
static_assert(MLXR_PANEL_ROWS % kLanes == 0);
inline int64_t panel_count(int64_t n) { return (n + kLanes - 1) / kLanes; }
inline int64_t panel_bytes(uint32_t type, int64_t n, int64_t k) { return panel_count(n) * panel_size(type, k); }

// Rows of floats as a panel: one Value of each lane in turn. Works on one cache line of each row at a time, so that the output stays
// cached.
template <class Value>
inline void put_floats(const uint8_t* rows, int64_t row_bytes, int lanes, uint8_t* panel) {
  constexpr int64_t kColumns = 64 / sizeof(Value);
  const int64_t columns = row_bytes / int64_t(sizeof(Value));
  for (int64_t first = 0; first < columns; first += kColumns) {
    for (int lane = 0; lane < lanes; ++lane) {
      for (int64_t c = first; c < imin(first + kColumns, columns); ++c)
        std::memcpy(panel + (c * kLanes + lane) * sizeof(Value), rows + lane * row_bytes + c * sizeof(Value), sizeof(Value));
    }
  }
  for (int lane = 0; lane < lanes; ++lane)  // the first half of a pair, if the number of columns is odd
    std::memcpy(panel + (columns * kLanes + lane) * sizeof(Value), rows + lane * row_bytes + columns * sizeof(Value),
                size_t(row_bytes) % sizeof(Value));
}

inline void make_panel(const mlxr_rows& rows, int64_t index, uint8_t* panel) {
  std::memset(panel, 0, size_t(panel_size(rows.type, rows.k)));
  const int64_t bytes = row_bytes(rows.type, rows.k);
  const auto* first = static_cast<const uint8_t*>(rows.data) + index * kLanes * bytes;
  const int lanes = int(imin(kLanes, rows.n - index * kLanes));
  switch (static_cast<Type>(rows.type)) {
    case Type::kF32: return put_floats<uint32_t>(first, bytes, lanes, panel);
    case Type::kF16: return put_floats<uint16_t>(first, bytes, lanes, panel);
    case Type::kBF16:
      return kBf16Pairs ? put_floats<uint32_t>(first, bytes, lanes, panel) : put_floats<uint16_t>(first, bytes, lanes, panel);
    default: break;
  }
  with_panel(rows.type, [&](auto format) {
    for (int lane = 0; lane < lanes; ++lane) format.put(first + lane * bytes, rows.k, lane, panel);
  });
}

inline void make_panels(mlxr_pool* pool, const mlxr_rows* rows, void* panels) {
  const int64_t size = panel_size(rows->type, rows->k);
  for_chunks(pool, panel_count(rows->n),
             [&](int64_t index, int) { make_panel(*rows, index, static_cast<uint8_t*>(panels) + index * size); });
}

}  // namespace mlxr::kernels::MLXR_ISA
