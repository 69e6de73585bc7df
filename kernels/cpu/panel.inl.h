// Weights in the layout that the products read: panels of kLanes rows, interleaved so that a vector holds one row per lane, no sum crosses
// lanes, and four values of x are broadcast to all rows. Made once from the file's rows, and of the same size (Q3_K: 4 % more, Q4_K and
// Q5_K: 3 %, IQ4_XS: 1 %), except IQ1 to IQ3.
//
// A grid of IQ1 to IQ3 has 4 or 8 values at each of its points, which the file numbers. Looking up points of 16 rows takes longer than
// reading the values as codes of 3 or 4 bits, which are sure to suffice: IQ1 and IQ2 have 6 different values, IQ3 has 16. So two kinds of
// panels serve 7 formats, with 3.4 bits per value and with 4.25 (AVX-512). Each of their blocks begins with the table of its values.
//
// A vector V is kLanes words of 4 bytes, a word for each row. A panel of a block format is one stream, so that the processor fetches ahead:
// for each block of the file's format (32, 64 or 256 values) their scales, a row per lane,
//   Q4_0, Q5_0, Q8_0, IQ4_NL   d:f16[kLanes]
//   Q4_1, Q5_1                 d:f16[kLanes] m:f16[kLanes]
//   MXFP4                      exponent:u8[kLanes]
//   NVFP4                      for each 16 values  scale:e4m3[kLanes]
//   Q2_K                       d:f16[kLanes] dmin:f16[kLanes], then for each 16 values  scale and min:u8[kLanes], as nibbles
//   Q4_K, Q5_K                 d:f16[kLanes] dmin:f16[kLanes], then for each 32 values  scale:u8[kLanes] min:u8[kLanes]
//   Q3_K, Q6_K, IQ4_XS         d:f16[kLanes], then for each 16 values (IQ4_XS: 32)  scale:i8[kLanes]
//   IQ1, IQ2                   table:u8[max(16, 2 kLanes)] d:f16[kLanes], then for each 32 values  two scales:u8[kLanes], as nibbles
//   IQ3                        table:u8[max(16, 2 kLanes)] d:f16[kLanes], then for each 64 values  two scales:u8[kLanes], as nibbles
// and then, for each 32 of them, their codes:
//   2 and 3 bits  V[2]   bits 2s, 2s + 1 of byte i of word w: value 16w + 4s + i
//   4 to 6 bits   V[4]   byte i of word j: value 4j + i in the low nibble, value 16 + 4j + i in the high one
//   3 and 5 bits  V[1] after these: bit j of byte i is the upper bit of value 4j + i (j in 0..7)
//   6 bits        V[2] after these: bits 2j, 2j + 1 of byte i are the upper bits of value 4j + i in the first, 16 + 4j + i in the second
//   8 bits        V[8]   word j: values 4j..4j + 3, plus kQ8Zero
// A panel of a float type is [k][kLanes]; of BF16, where the processor multiplies pairs of it, [k / 2][kLanes][2]. Rows past the last are
// zero. Panels begin at multiples of 64 bytes.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline constexpr int64_t kVector = 4 * kLanes;  // bytes

// The centres of formats: of those with one scale for 32 values, and, from kHalves on, of those with one for each half of them.
inline constexpr int kCentres = 9, kHalves = 5;
inline constexpr int kCentreOf[kCentres] = {8, 16, kQ8Zero, 12, 32, 32, 12, 4, 43};
constexpr int centre_index(Type type) {  // -1: the format has none
  switch (type) {
    case Type::kQ4_0: return 0;
    case Type::kQ5_0: return 1;
    case Type::kQ8_0:
    case Type::kIQ4_NL:
    case Type::kIQ4_XS: return 2;
    case Type::kMXFP4: return 3;
    case Type::kIQ3_S: return 4;
    case Type::kQ6_K: return 5;
    case Type::kNVFP4: return 6;
    case Type::kQ3_K: return 7;
    case Type::kIQ2_S: return 8;
    default: return -1;
  }
}

// How a panel has the scales of its groups: d alone, or with a minimum m; bytes that are multiplied by d; bytes, or nibbles, of a scale and
// a minimum that are multiplied by d and dmin; floats of 8 bits; nibbles n that stand for 2 n + 1 parts of d.
enum class ScaleForm { kHalf, kHalfMin, kSigned, kByteMin, kNibbleMin, kE8M0, kE4M3, kOddNibble };
constexpr ScaleForm scale_form(Type type) {
  switch (type) {
    case Type::kQ4_1:
    case Type::kQ5_1: return ScaleForm::kHalfMin;
    case Type::kQ3_K:
    case Type::kQ6_K:
    case Type::kIQ4_XS: return ScaleForm::kSigned;
    case Type::kQ4_K:
    case Type::kQ5_K: return ScaleForm::kByteMin;
    case Type::kQ2_K: return ScaleForm::kNibbleMin;
    case Type::kMXFP4: return ScaleForm::kE8M0;
    case Type::kNVFP4: return ScaleForm::kE4M3;
    case Type::kIQ2_S:
    case Type::kIQ3_S: return ScaleForm::kOddNibble;
    default: return ScaleForm::kHalf;
  }
}

constexpr int centre_of(Type type) { return centre_index(panel_type(type)) < 0 ? 0 : kCentreOf[centre_index(panel_type(type))]; }

// The values of codes, plus a centre.
struct Codebook {
  alignas(16) uint8_t values[16];

  template <int kCount>
  constexpr Codebook(const int (&numbers)[kCount], int centre) : values() {
    for (int i = 0; i < kCount; ++i) values[i] = uint8_t(numbers[i] + centre);
  }
};
// Closer together near zero (IQ4_NL, IQ4_XS).
inline constexpr Codebook kNonLinear({-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}, kQ8Zero);
// Floats of 1 sign, 2 exponent and 1 fraction bit (E2M1), doubled (MXFP4, NVFP4). The scales are halved in return.
inline constexpr Codebook kE2M1({0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}, 12);
// The codes of IQ1 to IQ3 are what a grid has, and above it a sign (grid_blocks.inl.h). Values are in eighths of a scale, those of IQ3 in
// halves.
constexpr Codebook grid_values(Type type) {
  const int centre = centre_of(type);
  switch (type) {
    case Type::kIQ1_S:
    case Type::kIQ1_M: return Codebook({-7, 1, 9, 0, -9, -1, 7, 0}, centre);
    case Type::kIQ3_XXS: return Codebook({2, 6, 10, 14, 18, 22, 26, 31, -2, -6, -10, -14, -18, -22, -26, -31}, centre);
    case Type::kIQ3_S: return Codebook({2, 6, 10, 14, 18, 22, 26, 30, -2, -6, -10, -14, -18, -22, -26, -30}, centre);
    default: return Codebook({8, 25, 43, 0, -8, -25, -43, 0}, centre);  // IQ2
  }
}

template <Type kType>
struct Panel {
  static_assert(panel_type(kType) == kType);
  static constexpr ScaleForm kForm = scale_form(kType);
  static constexpr bool kHasMin = kForm == ScaleForm::kHalfMin || kForm == ScaleForm::kByteMin || kForm == ScaleForm::kNibbleMin;
  static constexpr bool kIsNonLinear = kType == Type::kIQ4_NL || kType == Type::kIQ4_XS;
  static constexpr bool kIsE2M1 = kType == Type::kMXFP4 || kType == Type::kNVFP4;
  static constexpr bool kIsGrid = kType == Type::kIQ2_S || kType == Type::kIQ3_S;
  static constexpr bool kHasTable = kIsNonLinear || kIsE2M1 || kIsGrid;
  static constexpr int kLowBits = kType == Type::kQ8_0 ? 8 : kType == Type::kQ2_K || kType == Type::kQ3_K || kType == Type::kIQ2_S ? 2 : 4;
  static constexpr int kHighBits =
      kType == Type::kQ6_K                                                                                                    ? 2
      : kType == Type::kQ3_K || kType == Type::kQ5_0 || kType == Type::kQ5_1 || kType == Type::kQ5_K || kType == Type::kIQ2_S ? 1
                                                                                                                              : 0;
  static constexpr int kVectors = kLowBits + kHighBits;  // of 32 values
  // Scales per 32 values.
  static constexpr int kGroups =
      kType == Type::kQ2_K || kType == Type::kQ3_K || kType == Type::kQ6_K || kType == Type::kNVFP4 || kType == Type::kIQ2_S ? 2 : 1;
  static constexpr int kCentreIndex = centre_index(kType);
  static constexpr int kCentre = centre_of(kType);
  static constexpr bool kSigned = (kType == Type::kQ8_0 || kIsNonLinear) && kQ8Zero == 0;
  // Pair sums that fit int16 together: a pair is at most 2 * u * 127, so 8 of u <= 15 make 30480, 4 of 31 31496, 2 of 63 32004.
  static constexpr int kLargest = kIsE2M1                         ? 24
                                  : kType == Type::kIQ2_S         ? 86
                                  : kType == Type::kIQ3_S         ? 63
                                  : kLowBits == 8 || kIsNonLinear ? 255
                                                                  : (1 << kVectors) - 1;
  static constexpr int kRun = kLargest <= 15 ? 8 / kGroups : kLargest <= 31 ? 4 : kLargest <= 63 ? 2 : 1;
  static constexpr int kParts = Block<kType>::kParts;  // of 32 values, in a block
  static constexpr int kHalfFields = kForm == ScaleForm::kE8M0 || kForm == ScaleForm::kE4M3 ? 0 : kHasMin ? 2 : 1;
  static constexpr int kGroupNibbles = kForm == ScaleForm::kHalf || kForm == ScaleForm::kHalfMin ? 0
                                       : kForm == ScaleForm::kByteMin                            ? 4
                                       : kForm == ScaleForm::kOddNibble                          ? 1
                                                                                                 : 2;
  static constexpr int64_t kTableBytes = kIsGrid ? imax(16, 2 * kLanes) : 0;  // what keeps vectors at multiples of their size
  static constexpr int64_t kScaleBytes = kTableBytes + kLanes * (2 * kHalfFields + kParts * kGroups * kGroupNibbles / 2);
  static constexpr int64_t kBlockBytes = kScaleBytes + kParts * kVectors * kVector;

  static int64_t bytes(int64_t k) { return (k / (32 * kParts) * kBlockBytes + 63) / 64 * 64; }

  // The values 4j..4j + 3 of a part of a block, of each row.
  __attribute__((always_inline)) static PanelBytes vector(const uint8_t* block, int part, int j) {
    const uint8_t* p = block + kScaleBytes + part * kVectors * kVector;
    if constexpr (kLowBits == 8) return load<PanelBytes>(p + j * kVector);
    const bool up = j >= 4;
    const int i = j % 4;
    I u;
    if constexpr (kLowBits == 2) {
      u = load<I>(p + up * kVector) >> 2 * i & 0x03030303;
    } else {
      const I both = load<I>(p + i * kVector);
      u = (up ? both >> 4 : both) & 0x0f0f0f0f;
    }
    if constexpr (kHighBits == 1) {
      const I high = load<I>(p + kLowBits * kVector);
      u |= (j < kLowBits ? high << (kLowBits - j) : high >> (j - kLowBits)) & 0x01010101 << kLowBits;
    }
    if constexpr (kHighBits == 2) {
      const I high = load<I>(p + (4 + up) * kVector);
      u |= (i < 2 ? high << (4 - 2 * i) : i == 2 ? high : high >> 2) & 0x30303030;
    }
    if constexpr (kIsNonLinear) return look_up(kNonLinear.values, reinterpret_cast<PanelBytes>(u));
    if constexpr (kIsE2M1) return look_up(kE2M1.values, reinterpret_cast<PanelBytes>(u));
    if constexpr (kIsGrid) return look_up(block, reinterpret_cast<PanelBytes>(u));
    return reinterpret_cast<PanelBytes>(u);
  }

  // Calls f(j, vector(block, part, j)) for j in 0..7, in an order in which two use the same word of a panel of nibbles.
  template <class Function>
  __attribute__((always_inline)) static void each_vector(const uint8_t* block, int part, Function f) {
    if constexpr (kLowBits == 8) {
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

  // weight = scale * (u - kCentre) + offset, for each group of a part.
  struct Scales {
    F scale[kGroups], offset[kGroups];
  };
  __attribute__((always_inline)) static Scales scales(const uint8_t* p, int part) {
    Scales s{};
    p += kTableBytes;
    for (int g = 0; g < kGroups; ++g) {
      const int group = part * kGroups + g;
      const uint8_t* bytes = p + (2 * kHalfFields + group * kGroupNibbles / 2) * kLanes;
      if constexpr (kForm == ScaleForm::kE8M0) {
        s.scale[g] = load_half_e8m0(bytes);
      } else if constexpr (kForm == ScaleForm::kE4M3) {
        s.scale[g] = 0.5f * load_e4m3(bytes);
      } else if constexpr (kForm == ScaleForm::kHalf || kForm == ScaleForm::kHalfMin) {
        s.scale[g] = load_half(p);
        if constexpr (kHasMin) s.offset[g] = load_half(p + 2 * kLanes);
      } else if constexpr (kForm == ScaleForm::kSigned) {
        s.scale[g] = load_half(p) * load_bytes<int8_t>(bytes);
      } else if constexpr (kForm == ScaleForm::kOddNibble) {
        constexpr float kStep = kType == Type::kIQ3_S ? 0.5f : 0.125f;
        const I n = load_words<uint8_t>(bytes) >> group % 2 * 4 & 15;
        s.scale[g] = load_half(p) * (__builtin_convertvector(n, F) * (2 * kStep) + kStep);
      } else if constexpr (kForm == ScaleForm::kByteMin) {
        s.scale[g] = load_half(p) * load_bytes<uint8_t>(bytes);
        s.offset[g] = -load_half(p + 2 * kLanes) * load_bytes<uint8_t>(bytes + kLanes);
      } else {
        const I both = load_words<uint8_t>(bytes);
        s.scale[g] = load_half(p) * __builtin_convertvector(both & 15, F);
        s.offset[g] = -load_half(p + 2 * kLanes) * __builtin_convertvector(both >> 4, F);
      }
    }
    return s;
  }

  // Puts a row of a file, in blocks of this format, into lane `lane` of a panel that was zero.
  template <class Source>
  static void put(const uint8_t* row, int64_t k, int lane, uint8_t* panel) {
    for (int64_t b = 0; b < k / 32; ++b) {
      uint64_t codes[4];
      Source::codes(row, b, codes);
      uint32_t words[8], out[8] = {};
      std::memcpy(words, codes, 32);
      for (int j = 0; j < 8; ++j) {
        if constexpr (kLowBits == 8) out[j] = words[j] ^ uint32_t(kQ8Zero) * 0x01010101u;  // adding 128 to a signed byte flips its sign bit
        if constexpr (kLowBits == 4) out[j % 4] |= (words[j] & 0x0f0f0f0f) << j / 4 * 4;
        if constexpr (kLowBits == 2) out[j / 4] |= (words[j] & 0x03030303) << j % 4 * 2;
        if constexpr (kHighBits == 1) out[kLowBits] |= (words[j] >> kLowBits & 0x01010101) << j;
        if constexpr (kHighBits == 2) out[4 + j / 4] |= (words[j] >> 4 & 0x03030303) << 2 * (j % 4);
      }
      uint8_t* p = panel + b / kParts * kBlockBytes + kScaleBytes + b % kParts * kVectors * kVector + 4 * lane;
      for (int v = 0; v < kVectors; ++v) store(p + v * kVector, out[v]);
    }
    for (uint8_t* block = panel; block < panel + k / (32 * kParts) * kBlockBytes; block += kBlockBytes, row += Source::kBytes) {
      if constexpr (kIsGrid) store(block, grid_values(Source::kOf));
      uint8_t* const p = block + kTableBytes;
      for (int i = 0; i < kHalfFields; ++i) store(p + 2 * (i * kLanes + lane), Source::half_field(row, i));
      for (int g = 0; kGroupNibbles > 0 && g < kParts * kGroups; ++g) {
        const auto s = Source::scale_min(row, g);
        uint8_t* bytes = p + (2 * kHalfFields + g * kGroupNibbles / 2) * kLanes + lane;
        if constexpr (kGroupNibbles == 1) {
          bytes[0] = uint8_t(bytes[0] | s.scale << g % 2 * 4);
        } else {
          bytes[0] = s.scale;
        }
        if constexpr (kForm == ScaleForm::kByteMin) bytes[kLanes] = s.min;
      }
    }
  }
};

// Calls f with the Panel of a block format.
template <class Function>
inline void with_panel(uint32_t type, Function f) {
  switch (panel_type(static_cast<Type>(type))) {
    case Type::kQ4_0: return f(Panel<Type::kQ4_0>{});
    case Type::kQ4_1: return f(Panel<Type::kQ4_1>{});
    case Type::kQ5_0: return f(Panel<Type::kQ5_0>{});
    case Type::kQ5_1: return f(Panel<Type::kQ5_1>{});
    case Type::kQ8_0: return f(Panel<Type::kQ8_0>{});
    case Type::kQ2_K: return f(Panel<Type::kQ2_K>{});
    case Type::kQ3_K: return f(Panel<Type::kQ3_K>{});
    case Type::kQ4_K: return f(Panel<Type::kQ4_K>{});
    case Type::kQ5_K: return f(Panel<Type::kQ5_K>{});
    case Type::kQ6_K: return f(Panel<Type::kQ6_K>{});
    case Type::kIQ2_S: return f(Panel<Type::kIQ2_S>{});
    case Type::kIQ3_S: return f(Panel<Type::kIQ3_S>{});
    case Type::kIQ4_NL: return f(Panel<Type::kIQ4_NL>{});
    case Type::kIQ4_XS: return f(Panel<Type::kIQ4_XS>{});
    case Type::kMXFP4: return f(Panel<Type::kMXFP4>{});
    case Type::kNVFP4: return f(Panel<Type::kNVFP4>{});
    default: return;
  }
}

// Calls f with Block<type>{}.
template <class Function>
inline void with_block(uint32_t type, Function f) {
  switch (static_cast<Type>(type)) {
    case Type::kQ4_0: return f(Block<Type::kQ4_0>{});
    case Type::kQ4_1: return f(Block<Type::kQ4_1>{});
    case Type::kQ5_0: return f(Block<Type::kQ5_0>{});
    case Type::kQ5_1: return f(Block<Type::kQ5_1>{});
    case Type::kQ8_0: return f(Block<Type::kQ8_0>{});
    case Type::kQ2_K: return f(Block<Type::kQ2_K>{});
    case Type::kQ3_K: return f(Block<Type::kQ3_K>{});
    case Type::kQ4_K: return f(Block<Type::kQ4_K>{});
    case Type::kQ5_K: return f(Block<Type::kQ5_K>{});
    case Type::kQ6_K: return f(Block<Type::kQ6_K>{});
    case Type::kIQ1_S: return f(Block<Type::kIQ1_S>{});
    case Type::kIQ1_M: return f(Block<Type::kIQ1_M>{});
    case Type::kIQ2_XXS: return f(Block<Type::kIQ2_XXS>{});
    case Type::kIQ2_XS: return f(Block<Type::kIQ2_XS>{});
    case Type::kIQ2_S: return f(Block<Type::kIQ2_S>{});
    case Type::kIQ3_XXS: return f(Block<Type::kIQ3_XXS>{});
    case Type::kIQ3_S: return f(Block<Type::kIQ3_S>{});
    case Type::kIQ4_NL: return f(Block<Type::kIQ4_NL>{});
    case Type::kIQ4_XS: return f(Block<Type::kIQ4_XS>{});
    case Type::kMXFP4: return f(Block<Type::kMXFP4>{});
    case Type::kNVFP4: return f(Block<Type::kNVFP4>{});
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
  with_block(rows.type, [&](auto block) {
    using Source = decltype(block);
    for (int lane = 0; lane < lanes; ++lane)
      Panel<panel_type(Source::kOf)>::template put<Source>(first + lane * bytes, rows.k, lane, panel);
  });
}

inline void make_panels(mlxr_pool* pool, const mlxr_rows* rows, void* panels) {
  const int64_t size = panel_size(rows->type, rows->k);
  for_chunks(pool, panel_count(rows->n),
             [&](int64_t index, int) { make_panel(*rows, index, static_cast<uint8_t*>(panels) + index * size); });
}

}  // namespace mlxr::kernels::MLXR_ISA
