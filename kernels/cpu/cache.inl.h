// The pages of the KV cache, and kv_store. A page holds block_tokens tokens of one KV head; keys and values are of type F16 or Q8_0.
//
//   keys     panels with a row per token (panel.inl.h), so that a score needs no sum across lanes
//   values   F16    (block_tokens, d) float16; d is value_dim rounded up to kLanes, zero there
//            Q8_0   scale:f16 (value_dim / 32, block_tokens), then q:i8 (block_tokens, value_dim); value = scale * q, a scale per 32 of
//            them
//
// The pages of one head are stored one after the other. A sequence with consecutive blocks is then read as one stream, which is 1.8 times
// as fast as storing the heads of a block side by side.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline int64_t padded(int64_t dim) { return (dim + kLanes - 1) / kLanes * kLanes; }

inline bool holds(uint32_t type, int64_t block_tokens, int64_t dim) {
  if (block_tokens % kLanes != 0) return false;
  return static_cast<Type>(type) == Type::kF16 || (static_cast<Type>(type) == Type::kQ8_0 && dim % 32 == 0);
}
inline int64_t key_page_bytes(uint32_t type, int64_t block_tokens, int64_t key_dim) {
  return holds(type, block_tokens, key_dim) ? block_tokens / kLanes * panel_size(type, key_dim) : 0;
}
inline int64_t value_page_bytes(uint32_t type, int64_t block_tokens, int64_t value_dim) {
  if (!holds(type, block_tokens, value_dim)) return 0;
  const int64_t row = static_cast<Type>(type) == Type::kF16 ? padded(value_dim) * 2 : value_dim / 32 * 34;
  return (block_tokens * row + 63) / 64 * 64;
}

// A cache as its pages. Made once for an operation, because computing the sizes takes a while.
struct Pages {
  const mlxr_kv& kv;
  int64_t panel_bytes, key_bytes, value_bytes;  // of a panel of keys, and of pages

  explicit Pages(const mlxr_kv& cache)
      : kv(cache),
        panel_bytes(panel_size(kv.type, kv.key_dim)),
        key_bytes(key_page_bytes(kv.type, kv.block_tokens, kv.key_dim)),
        value_bytes(value_page_bytes(kv.type, kv.block_tokens, kv.value_dim)) {}

  uint8_t* values(int64_t block, int64_t head) const { return static_cast<uint8_t*>(kv.v) + (head * kv.n_blocks + block) * value_bytes; }
  // The panel that has the token at `offset` of a block.
  uint8_t* key_panel(int64_t block, int64_t head, int64_t offset) const {
    return static_cast<uint8_t*>(kv.k) + (head * kv.n_blocks + block) * key_bytes + offset / kLanes * panel_bytes;
  }
};

// These write one row of a head into its lane of a panel of keys, and one into a page of values.
inline void store_halves(const mlxr_kv& kv, const float* k, const float* v, int64_t offset, uint8_t* panel, uint8_t* values) {
  const int64_t d = padded(kv.value_dim);
  auto* key = reinterpret_cast<uint16_t*>(panel) + offset % kLanes;
  auto* value = reinterpret_cast<uint16_t*>(values) + offset * d;
  int64_t i = 0;
  for (; i + kLanes <= kv.key_dim; i += kLanes) {
    uint16_t halves[kLanes];
    store_half(halves, load<F>(k + i));
    for (int64_t lane = 0; lane < kLanes; ++lane) key[(i + lane) * kLanes] = halves[lane];
  }
  for (; i < kv.key_dim; ++i) key[i * kLanes] = to_half(k[i]);
  for (i = 0; i + kLanes <= kv.value_dim; i += kLanes) store_half(value + i, load<F>(v + i));
  for (; i < d; ++i) value[i] = i < kv.value_dim ? to_half(v[i]) : uint16_t(0);
}

// A block of 32 values whose scale is too small for float16 becomes zero.
inline uint16_t quantize_half_scale(const float* x, int8_t* q) { return to_half(quantize_block(x, 0x1p-24f, q).d); }

inline void store_bytes(const mlxr_kv& kv, const float* k, const float* v, int64_t offset, uint8_t* panel, uint8_t* values) {
  for (int64_t b = 0; b < kv.key_dim / 32; ++b) {
    uint8_t block[Block<Type::kQ8_0>::kBytes];
    store(block, quantize_half_scale(k + 32 * b, reinterpret_cast<int8_t*>(block + 2)));
    Panel<Type::kQ8_0>::put<Block<Type::kQ8_0>>(block, 32, int(offset % kLanes), panel + b * Panel<Type::kQ8_0>::kBlockBytes);
  }
  const int64_t blocks = kv.value_dim / 32;
  int8_t* q = reinterpret_cast<int8_t*>(values + blocks * kv.block_tokens * 2) + offset * kv.value_dim;
  for (int64_t b = 0; b < blocks; ++b) store(values + (b * kv.block_tokens + offset) * 2, quantize_half_scale(v + 32 * b, q + 32 * b));
}

inline void kv_store(mlxr_pool* pool, const mlxr_kv_store_args* args) {
  const mlxr_kv& kv = args->kv;
  const Pages pages(kv);
  const auto store_token = static_cast<Type>(kv.type) == Type::kQ8_0 ? store_bytes : store_halves;
  for_rows(pool, args->n_tokens, args->n_tokens * kv.n_kv_heads * (kv.key_dim + kv.value_dim), [&](int64_t token) {
    const int64_t slot = args->slots[token];
    if (slot < 0) return;
    const int64_t block = slot / kv.block_tokens, offset = slot % kv.block_tokens;
    for (int64_t h = 0; h < kv.n_kv_heads; ++h) {
      const int64_t row = token * kv.n_kv_heads + h;
      store_token(kv, args->k + row * kv.key_dim, args->v + row * kv.value_dim, offset, pages.key_panel(block, h, offset),
                  pages.values(block, h));
    }
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
