// logits_tool MODEL VARIANT PACK CHUNK ID...: runs the tokens, CHUNK at a time, and writes the logits of every position to stdout as
// float32, for the tests that compare them with tests/reference.
#include <mlx/transforms.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/formats/checkpoint.h"
#include "core/kv/arena.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"

using namespace mlxr;

int main(int argc, char** argv) {
  if (argc < 6) return std::fprintf(stderr, "usage: logits_tool MODEL VARIANT PACK CHUNK ID...\n"), 2;
  const std::string variant = argv[2];
  const int chunk = std::atoi(argv[4]);
  std::vector<std::int32_t> tokens;
  for (int i = 5; i < argc; ++i) tokens.push_back(std::atoi(argv[i]));

  std::shared_ptr<const ops::Ops> ops = ops::make_mlx_ops();
  if (variant != "mlx") {
    auto pack = ops::KernelPack::load(argv[3], variant, 2);
    if (!pack) return std::fprintf(stderr, "%s\n", pack.error().message.c_str()), pack.error().code == ErrorCode::kUnsupported ? 77 : 1;
    ops = ops::make_pack_ops(*pack);
  }
  auto file = formats::Checkpoint::open(argv[1]);
  if (!file) return std::fprintf(stderr, "%s\n", file.error().message.c_str()), 1;
  const auto panels = ops::Panels::open((*file)->tensors(), *ops, {}).value();
  auto model = models::Transformer::load(**file, ops, *panels);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;

  const int total = static_cast<int>(tokens.size());
  const auto& c = (*model)->config();
  kv::Arena arena({c.layers, c.kv_heads, c.head_dim}, kv::blocks_for(total) + 2, *ops);
  const auto skipped = arena.reserve(kv::kBlockTokens);  // so that pages do not begin at block 0
  const auto pages = *arena.reserve(total);
  for (int first = 0; first < total; first += chunk) {
    const int count = std::min(chunk, total - first);
    auto batch = std::make_shared<ops::Batch>();
    for (int p = first; p < first + count; ++p) {
      batch->tokens.push_back(tokens[p]);
      batch->positions.push_back(p);
      batch->slots.push_back(pages[p / kv::kBlockTokens] * kv::kBlockTokens + p % kv::kBlockTokens);
    }
    batch->sequences.push_back({0, count, first + count, pages});
    const auto logits = (*model)->forward(batch, arena.layers(), models::Transformer::Logits::kAll);
    auto results = arena.arrays();
    results.push_back(*logits);
    mlx::core::eval(results);
    std::fwrite(logits->data<float>(), sizeof(float), logits->size(), stdout);
  }
  return 0;
}
