// logits_tool MODEL VARIANT PACK CACHE CHUNK ID...: runs the tokens, CHUNK at a time, with a KV cache of the type CACHE (f16 or q8_0), and
// writes the logits of every position to stdout as float32, for the tests that compare them with tests/reference.
#include <mlx/transforms.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/formats/checkpoint.h"
#include "core/kv/cache.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"

using namespace mlxr;

int main(int argc, char** argv) {
  if (argc < 7) return std::fprintf(stderr, "usage: logits_tool MODEL VARIANT PACK CACHE CHUNK ID...\n"), 2;
  const std::string variant = argv[2];
  const auto cache = argv[4] == std::string("q8_0") ? quant::Type::kQ8_0 : quant::Type::kF16;
  const int chunk = std::atoi(argv[5]);
  std::vector<std::int32_t> tokens;
  for (int i = 6; i < argc; ++i) tokens.push_back(std::atoi(argv[i]));

  std::shared_ptr<const ops::Ops> ops = ops::make_mlx_ops();
  if (variant != "mlx") {
    auto pack = ops::KernelPack::load(argv[3], variant, 2);
    if (!pack) return std::fprintf(stderr, "%s\n", pack.error().message.c_str()), pack.error().code == ErrorCode::kUnsupported ? 77 : 1;
    ops = ops::make_pack_ops(*pack);
  }
  auto file = formats::Checkpoint::open(argv[1]);
  if (!file) return std::fprintf(stderr, "%s\n", file.error().message.c_str()), 1;
  const auto description = models::describe((*file)->metadata(), (*file)->tensors());
  if (!description) return std::fprintf(stderr, "%s\n", description.error().message.c_str()), 1;
  const auto panels = ops::Panels::open(description->bindings.parts(**file), *ops, {}).value();
  auto model = models::Transformer::load(*description, **file, ops, *panels, {.block_tokens = kv::kBlockTokens});
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;

  const int total = static_cast<int>(tokens.size());
  kv::Cache caches(kv::kinds_of((*model)->spec(), cache, kv::blocks_for(total) + 2), chunk, *ops);
  kv::Pages skipped, pages;
  caches.extend(skipped, 0, kv::kBlockTokens);  // so that pages do not begin at block 0
  for (int first = 0; first < total; first += chunk) {
    const int count = std::min(chunk, total - first);
    caches.extend(pages, first, first + count);
    ops::Batch batch;
    batch.append(std::span(tokens).subspan(first, count), first, pages, kv::kBlockTokens, count);
    const auto logits = (*model)->forward(std::move(batch), caches.layers());
    auto results = caches.arrays();
    results.push_back(*logits);
    mlx::core::eval(results);
    std::fwrite(logits->data<float>(), sizeof(float), logits->size(), stdout);
  }
  return 0;
}
