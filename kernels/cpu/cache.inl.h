// The pages of the KV cache, and kv_store. A page holds block_tokens tokens of one KV head; keys and values are of type F16 or Q8_0.
//
//   keys     panels with a row per token (panel.inl.h), so that a score needs no sum across lanes
//   values   F16    (block_tokens, d) float16; d is head_dim rounded up to kLanes, zero there
//            Q8_0   scale:f16 (head_dim / 32, block_tokens), then q:i8 (block_tokens, head_dim); value = scale * q, a scale per 32 of them
//
// The pages of one head are stored one after the other. A sequence with consecutive blocks is then read as one stream, which is 1.8 times
// as fast as storing the heads of a block side by side.
#pragma once

namespace mlxr::kernels::MLXR_ISA {

inline int64_t padded(int64_t dim) { return (dim + kLanes - 1) / kLanes * kLanes; }

inline int64_t page_bytes(uint32_t type, int64_t block_tokens, int64_t head_dim) {
  if (block_tokens % kLanes != 0) return 0;
  const int64_t keys = block_tokens / kLanes * panel_size(type, head_dim);
  if (static_cast<Type>(type) == Type::kF16) return imax(keys, block_tokens * padded(head_dim) * 2);
  if (static_cast<Type>(type) == Type::kQ8_0 && head_dim % 32 == 0) return imax(keys, block_tokens * head_dim / 32 * 34);
  return 0;
}

inline uint8_t* page_at(void* all, const mlxr_kv& kv, int64_t block, int64_t head) {
  return static_cast<uint8_t*>(all) + (head * kv.n_blocks + block) * page_bytes(kv.type, kv.block_tokens, kv.head_dim);
}

inline void store_halves(const mlxr_kv& kv, const float* k, const float* v, int64_t offset, uint8_t* keys, uint8_t* values) {
  const int64_t dim = kv.head_dim, d = padded(dim);
  auto* key = reinterpret_cast<uint16_t*>(keys + offset / kLanes * panel_size(kv.type, dim)) + offset % kLanes;
  auto* value = reinterpret_cast<uint16_t*>(values) + offset * d;
  for (int64_t i = 0; i < dim; ++i) key[i * kLanes] = to_half(k[i]);
  for (int64_t i = 0; i < d; ++i) value[i] = i < dim ? to_half(v[i]) : uint16_t(0);
}

// A block of 32 values whose scale is too small for float16 becomes zero.
inline uint16_t quantize_half_scale(const float* x, int8_t* q) { return to_half(quantize_block(x, 0x1p-24f, q).d); }

inline void store_bytes(const mlxr_kv& kv, const float* k, const float* v, int64_t offset, uint8_t* keys, uint8_t* values) {
  const int64_t blocks = kv.head_dim / 32;
  int8_t* q = reinterpret_cast<int8_t*>(values + blocks * kv.block_tokens * 2) + offset * kv.head_dim;
  for (int64_t b = 0; b < blocks; ++b) {
    uint8_t block[Block<Type::kQ8_0>::kBytes];
    store(block, quantize_half_scale(k + 32 * b, reinterpret_cast<int8_t*>(block + 2)));
    Panel<Type::kQ8_0>::put(block, 32, int(offset % kLanes),
                            keys + offset / kLanes * panel_size(kv.type, kv.head_dim) + b * Panel<Type::kQ8_0>::kBlockBytes);
    store(values + (b * kv.block_tokens + offset) * 2, quantize_half_scale(v + 32 * b, q + 32 * b));
  }
}

inline void kv_store(mlxr_pool* pool, const mlxr_kv_store_args* args) {
  const mlxr_kv& kv = args->kv;
  const auto store_token = static_cast<Type>(kv.type) == Type::kQ8_0 ? store_bytes : store_halves;
  for_rows(pool, args->n_tokens, args->n_tokens * kv.n_kv_heads * kv.head_dim * 2, [&](int64_t token) {
    const int64_t slot = args->slots[token];
    if (slot < 0) return;
    for (int64_t h = 0; h < kv.n_kv_heads; ++h) {
      const int64_t from = (token * kv.n_kv_heads + h) * kv.head_dim, block = slot / kv.block_tokens;
      store_token(kv, args->k + from, args->v + from, slot % kv.block_tokens, page_at(kv.k, kv, block, h), page_at(kv.v, kv, block, h));
    }
  });
}

}  // namespace mlxr::kernels::MLXR_ISA
