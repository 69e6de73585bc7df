// The contract between the engine and a CPU kernel pack: a shared library of hot operations, versioned apart from the engine.
//
// A pack is a folder: manifest.json (see kernels/README.md) and the library it names. The library exports one function,
// mlxr_kernel_pack_open. Everything is plain C and sized, so that an engine can refuse a pack it does not know without calling it.
//
// Rules: float32 activations, row-major, contiguous unless a stride is given. Pointers are never null unless said so. Functions do not
// throw, and return when the work is done. They allocate no memory except the pool's scratch, which grows to the largest size an operation
// has needed; the operations that use it return 1, or 0 when memory is exhausted, and then they have written nothing. One pool runs one
// operation at a time (the caller serialises). Sizes are checked by the caller; a pack may assert them in debug builds.
//
// A row of the result of an operation depends, bit for bit, only on that token's own
// data: not on how many other tokens are in the call, at which row it stands, how the tokens of its sequence were cut into calls, or how
// many threads there are. (Finite data: a NaN or an infinity among the values of a cache may spoil other tokens of the same sequence. The
// results of two variants differ.)
#ifndef MLXR_KERNELS_ABI_H
#define MLXR_KERNELS_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Grows with every change of a struct or of a meaning below.
#define MLXR_KERNEL_ABI 10

typedef struct mlxr_pool mlxr_pool;  // threads and their scratch memory

// A weight matrix (n, k) of packed rows, as in a model's file. `type` is the number of the type in GGUF.
typedef struct mlxr_rows {
  uint32_t type;
  int64_t n;         // rows: outputs
  int64_t k;         // columns: inputs; a multiple of the type's block size
  const void* data;  // n rows of row_bytes(type, k) bytes
} mlxr_rows;

// The same matrix in the layout that this variant of the pack reads, as make_panels wrote it. The panels of MLXR_PANEL_ROWS rows are stored
// one after the other, so that a matrix can be repacked in pieces: the panels of row 64 i and the rows after it start at
// panel_bytes(type, 64 i, k).
#define MLXR_PANEL_ROWS 64
typedef struct mlxr_matrix {
  uint32_t type;
  int64_t n, k;
  const void* panels;  // panel_bytes(type, n, k), aligned to 64 bytes
} mlxr_matrix;

typedef enum mlxr_activation {
  MLXR_ACT_SILU = 1,       // x / (1 + exp(-x))
  MLXR_ACT_GELU_TANH = 2,  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  // x' / (1 + exp(-1.702 x')) with x' = min(x, 7). What it multiplies, u, becomes max(-7, min(u, 7)) + 1.
  MLXR_ACT_CLAMPED_SWIGLU = 3,
  MLXR_ACT_SIGMOID = 4,       // 1 / (1 + exp(-x))
  MLXR_ACT_NONE = 5,          // x
  MLXR_ACT_SQUARED_RELU = 6,  // max(x, 0)^2
} mlxr_activation;

// y = x · wᵀ + bias + residual, for several matrices that share x (Q, K and V; activations are converted once).
// Block formats take x as int8: blocks of 32, x ≈ d * q with d = max|x| / 127, q the nearest integer; a block of x with a NaN or an
// infinity gives NaN. BF16 takes x rounded to bfloat16.
typedef struct mlxr_gemm_output {
  mlxr_matrix w;
  const float* bias;      // (n) or null
  const float* residual;  // (n_tokens, n) or null; may be y itself
  float* y;               // (n_tokens, n)
} mlxr_gemm_output;

typedef struct mlxr_gemm_args {
  const float* x;  // (n_tokens, k)
  int64_t n_tokens;
  int64_t k;
  int32_t n_outputs;  // 1 to 4
  const mlxr_gemm_output* outputs;
} mlxr_gemm_args;

// y = act(x · gateᵀ + gate_bias) * (x · upᵀ + up_bias), the latter as the activation changes it: the first half of a gated MLP. gate and up
// have the same n and k, and may differ in type.
typedef struct mlxr_gated_args {
  const float* x;  // (n_tokens, k)
  int64_t n_tokens;
  mlxr_matrix gate, up;
  const float *gate_bias, *up_bias;  // (n) or null
  mlxr_activation activation;
  float* y;  // (n_tokens, n)
} mlxr_gated_args;

// y = x / sqrt(mean(x²) + eps) * weight + residual, the mean over each row.
typedef struct mlxr_rms_norm_args {
  const float* x;         // (rows, d)
  const float* weight;    // (d)
  const float* residual;  // (rows, d) or null; may be y
  float eps;
  int64_t rows, d;
  float* y;  // (rows, d); may be x
} mlxr_rms_norm_args;

// y = (x - mean) / sqrt(variance + eps) * weight + bias + residual, mean and variance of each row (Ba et al. 2016).
typedef struct mlxr_layer_norm_args {
  const float* x;         // (rows, d)
  const float* weight;    // (n_weights, d): row i is multiplied by weight i mod n_weights
  const float* bias;      // (n_weights, d) or null
  const float* residual;  // (rows, d) or null; may be y
  float eps;
  int64_t rows, d, n_weights;
  float* y;  // (rows, d); may be x
} mlxr_layer_norm_args;

// y = act(x) * times, the latter as the activation changes it.
typedef struct mlxr_activate_args {
  const float* x;      // (rows, n)
  const float* times;  // (rows, n) or null
  int64_t rows, n;
  mlxr_activation activation;
  float* y;  // (rows, n); may be x or times
} mlxr_activate_args;

// y = cap * tanh(x / cap)
typedef struct mlxr_softcap_args {
  const float* x;  // (rows, n)
  int64_t rows, n;
  float cap;
  float* y;  // (rows, n); may be x
} mlxr_softcap_args;

// The cosines and sines of a step's angles, position * frequencies[i], times magnitude. Made once for all layers that share them.
typedef struct mlxr_rotations_args {
  const int32_t* positions;  // (n_tokens)
  const float* frequencies;  // (n_pairs), radians per position
  int64_t n_tokens, n_pairs;
  float magnitude;         // 1 except for scaled variants
  float *cosines, *sines;  // (n_tokens, n_pairs)
} mlxr_rotations_args;

// Rotary position embedding of the first 2 * n_pairs values of each head; the rest are copied.
// Pair i of a token is rotated by its rotation i: (x0, x1) → (x0 cos - x1 sin, x0 sin + x1 cos).
typedef struct mlxr_rope_args {
  const float* x;                // (n_tokens, n_heads, head_dim)
  const float *cosines, *sines;  // (n_tokens, n_pairs)
  int64_t n_tokens, n_heads, head_dim, n_pairs;
  int32_t interleaved;  // 1: pair i is (2i, 2i+1); 0: pair i is (i, i + n_pairs)
  float* y;             // (n_tokens, n_heads, head_dim); may be x
} mlxr_rope_args;

// A layer's part of the paged KV arena: keys and values of `type` (F16 or Q8_0), (n_kv_heads, n_blocks) pages each. The layout of a page
// is up to the variant: only its own kv_store and attention read it.
//
// A block of a layer is its page of each KV head, in k and in v: the page of head h is number h * n_blocks + block. The bytes of a page
// depend on the rows stored in it and their offsets alone, not on the block's number, the head or the address. So the pages of a block may
// be copied to another block, or kept elsewhere (on a disk, too) and put into any cache of the same type, block_tokens, key_dim and
// value_dim, for every pack whose `cache` is the same text. Attention then gives the same bits.
typedef struct mlxr_kv {
  uint32_t type;
  void* k;  // pages of key_page_bytes(type, block_tokens, key_dim), aligned to 64 bytes
  void* v;  // pages of value_page_bytes(type, block_tokens, value_dim), aligned to 64 bytes
  int64_t n_blocks, n_kv_heads, block_tokens;
  int64_t key_dim, value_dim;  // values of a head's key, and of its value
} mlxr_kv;

// Writes one row of K and V per token. slot = block * block_tokens + offset; -1 skips a token.
typedef struct mlxr_kv_store_args {
  mlxr_kv kv;
  const float* k;        // (n_tokens, n_kv_heads, key_dim)
  const float* v;        // (n_tokens, n_kv_heads, value_dim)
  const int32_t* slots;  // (n_tokens)
  int64_t n_tokens;
} mlxr_kv_store_args;

// One sequence of a batch: its new tokens are rows [first, first + count) of q; after kv_store it holds `length` tokens, so that row
// first + i sits at position length - count + i.
typedef struct mlxr_sequence {
  int64_t first, count, length;
  // (ceil(length / block_tokens)) block numbers. Those of blocks that lie wholly below the window of every new token of the sequence are
  // not read, nor is the memory of such blocks: they may be any number.
  const int32_t* pages;
} mlxr_sequence;

// Causal grouped-query attention over the paged cache, softmax(scale · q kᵀ) v. Head h reads KV head h / (n_heads / n_kv_heads).
typedef struct mlxr_attention_args {
  const float* q;  // (n_tokens, n_heads, key_dim)
  mlxr_kv kv;
  const mlxr_sequence* sequences;
  int32_t n_sequences;
  int64_t n_heads;
  float scale;
  int32_t window;      // a position sees itself and the window - 1 before it; 0: all
  float softcap;       // scores become softcap * tanh(score / softcap); 0: off
  const float* sinks;  // (n_heads) or null: one more score of each head, neither scaled nor capped, with a weight but no value
  float* y;            // (n_tokens, n_heads, value_dim)
} mlxr_attention_args;

// The states of a recurrent layer. The state behind a block's last token, or behind a sequence's last new token, is stored in the block of
// that token, except where its number is negative. A sequence goes on with the state of the block of the token before its first new token.
typedef struct mlxr_states {
  float* data;           // (n_blocks, size)
  int64_t size;          // floats of one state
  int64_t block_tokens;  // tokens of a block of a sequence's pages
} mlxr_states;

// y[t] = sum over j of weight[j] * x[t - taps + 1 + j], plus bias: each column by itself, along the tokens of a sequence.
#define MLXR_MAX_TAPS 16
typedef struct mlxr_convolve_args {
  const float* x;       // (n_tokens, columns)
  const float* weight;  // (taps, columns)
  const float* bias;    // (columns) or null
  int64_t columns;
  int64_t taps;  // 2 to MLXR_MAX_TAPS
  const mlxr_sequence* sequences;
  int32_t n_sequences;
  mlxr_states inputs;  // (taps - 1, columns) each: the last inputs
  float* y;            // (n_tokens, columns)
} mlxr_convolve_args;

// Linear attention. Each head has a matrix S. At each token, with step = log(1 + exp(steps + biases)) and decay = exp(rates * step):
//   S = decay * S;  S = S + k (strength * (v - c))ᵀ;  y = Sᵀ q + skip * v
// Without strengths: strength = step, c = 0 (Mamba 2). With strengths: the gated delta rule, strength = 1 / (1 + exp(-strengths)),
// c = Sᵀ k, and k and q are divided by their lengths, q by sqrt(key_dim) too.
#define MLXR_MAX_KEY_DIM 256
typedef struct mlxr_scan_args {
  const float* x;                         // (n_tokens, columns)
  int64_t columns;                        // of x, in which the queries, keys and values of all heads begin at:
  int64_t query_at, key_at, value_at;     // (n_key_heads, key_dim), the same, (n_heads, value_dim)
  const float* steps;                     // (n_tokens, n_heads)
  const float* strengths;                 // (n_tokens, n_heads) or null
  const float *rates, *biases, *skip;     // (n_heads), skip may be null
  int64_t n_heads, n_key_heads, key_dim;  // key_dim at most MLXR_MAX_KEY_DIM
  int64_t value_dim;
  int32_t tiled;  // 1: head h reads key head h % n_key_heads; 0: h / (n_heads / n_key_heads)
  const mlxr_sequence* sequences;
  int32_t n_sequences;
  mlxr_states matrices;  // (n_heads, key_dim, value_dim) each
  float* y;              // (n_tokens, n_heads, value_dim)
} mlxr_scan_args;

// y[i] = row ids[i] of w, decoded, times scale.
typedef struct mlxr_get_rows_args {
  mlxr_matrix w;
  const int32_t* ids;  // (n_ids), each in [0, w.n)
  int64_t n_ids;
  float scale;
  float* y;  // (n_ids, w.k)
} mlxr_get_rows_args;

typedef struct mlxr_kernel_pack {
  uint32_t size;        // sizeof(mlxr_kernel_pack)
  uint32_t abi;         // MLXR_KERNEL_ABI it was built with
  const char* version;  // the pack's own, "0.1.0"
  const char* variant;  // "amx", "avx512", "avx2", "neon" or "scalar"

  // Threads: the calling thread and n_threads - 1 workers. Null when threads cannot be made.
  mlxr_pool* (*pool_create)(int32_t n_threads);
  void (*pool_destroy)(mlxr_pool* pool);
  // Calls work(context, i, thread) for each i in [0, count), on any of the pool's threads and in any order, and returns when all calls have
  // returned. `thread` is at least 0 and less than n_threads. `work` must not throw.
  void (*run)(mlxr_pool* pool, int64_t count, void (*work)(void* context, int64_t i, int thread), void* context);

  int32_t (*supports)(uint32_t type);  // 1 when make_panels takes this GGUF type

  // Weights are repacked once. Panels may be kept, also on disk: they are valid for every pack whose `panels` is the same text.
  const char* panels;  // the layout's name, "avx512-1"
  int64_t (*panel_bytes)(uint32_t type, int64_t n, int64_t k);
  void (*make_panels)(mlxr_pool*, const mlxr_rows*, void* panels);

  int32_t (*q_gemm)(mlxr_pool*, const mlxr_gemm_args*);
  int32_t (*gated_mlp)(mlxr_pool*, const mlxr_gated_args*);
  void (*rms_norm)(mlxr_pool*, const mlxr_rms_norm_args*);
  void (*layer_norm)(mlxr_pool*, const mlxr_layer_norm_args*);
  void (*activate)(mlxr_pool*, const mlxr_activate_args*);
  void (*softcap)(mlxr_pool*, const mlxr_softcap_args*);
  void (*rotations)(mlxr_pool*, const mlxr_rotations_args*);
  void (*rope)(mlxr_pool*, const mlxr_rope_args*);
  const char* cache;  // the name of the layout of pages, "avx512-1"
  // Bytes of a page, a multiple of 64. 0: not a type of a cache, or the variant cannot hold this shape; every variant holds blocks of a
  // multiple of 16 tokens, in F16 and, where the width is a multiple of 32, in Q8_0.
  int64_t (*key_page_bytes)(uint32_t type, int64_t block_tokens, int64_t key_dim);
  int64_t (*value_page_bytes)(uint32_t type, int64_t block_tokens, int64_t value_dim);
  void (*kv_store)(mlxr_pool*, const mlxr_kv_store_args*);
  int32_t (*attention)(mlxr_pool*, const mlxr_attention_args*);
  void (*get_rows)(mlxr_pool*, const mlxr_get_rows_args*);
  void (*convolve)(mlxr_pool*, const mlxr_convolve_args*);
  void (*scan)(mlxr_pool*, const mlxr_scan_args*);

  // Runs every operation on fixed data against the scalar variant. Null when all agree, else the name of the first operation that does
  // not. Takes a few milliseconds at most.
  const char* (*self_check)(void);
} mlxr_kernel_pack;

// The table of a variant ("auto" picks the best one that this processor runs), or null when the ABI is another or the processor cannot
// run the variant. The table is static.
const mlxr_kernel_pack* mlxr_kernel_pack_open(uint32_t abi, const char* variant);

#ifdef __cplusplus
}
#endif

#endif  // MLXR_KERNELS_ABI_H
