// bench_perplexity MODEL TEXT [THREADS]: the perplexity of a model over a text file, as llama.cpp's llama-perplexity defines it.
//
// The text's tokens are cut into pieces of 512, and the rest is dropped. Each piece starts with an empty cache, and with BOS in place of
// its first token if the model wants one. The tokens of its second half are scored, each given the tokens before it in the piece: exp(-mean
// log p). Prints one line: the perplexity and the number of tokens scored.
#include <mlx/transforms.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "core/formats/checkpoint.h"
#include "core/kv/cache.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"
#include "core/text/tokenizer.h"

using namespace mlxr;

namespace {

constexpr int kPiece = 512, kFirst = kPiece / 2;

// -log p of `next` under these logits, (vocabulary).
double surprise(std::span<const float> logits, TokenId next) {
  const double largest = std::ranges::max(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[static_cast<std::size_t>(next)];
}

// The sum over the tokens [kFirst + 1, kPiece) of a piece.
double surprise_of_piece(const models::Transformer& model, const ops::Ops& ops, std::span<const TokenId> piece, TokenId first) {
  kv::Cache cache(kv::kinds_of(model.spec(), quant::Type::kF16, kv::blocks_for(kPiece)), kPiece, ops);
  ops::Batch batch;
  std::vector<TokenId> tokens(piece.begin(), piece.end());
  tokens[0] = first;
  kv::Pages pages;
  cache.extend(pages, 0, kPiece);
  batch.append(tokens, 0, std::move(pages), kv::kBlockTokens, kPiece);
  auto logits = model.forward(std::move(batch), cache.layers());
  auto results = cache.arrays();
  results.push_back(*logits);
  mlx::core::eval(results);
  const auto vocabulary = static_cast<std::size_t>(model.spec().vocabulary);
  double sum = 0;
  for (std::size_t p = kFirst; p + 1 < kPiece; ++p) {
    sum += surprise({logits->data<float>() + p * vocabulary, vocabulary}, piece[p + 1]);
  }
  return sum;
}

Result<void> run(const char* model_path, const char* text_path, int threads) {
  std::ifstream in(text_path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.empty()) return fail(ErrorCode::kNotFound, std::string(text_path) + " cannot be read, or is empty.");
  const char* variant = std::getenv("MLXR_KERNELS");
  auto pack = ops::KernelPack::load(ops::KernelPack::default_folder(), variant ? variant : "auto", threads);
  if (!pack) return fail(pack.error());
  const std::shared_ptr<const ops::Ops> ops = ops::make_pack_ops(*pack);
  auto file = formats::Checkpoint::open(model_path);
  if (!file) return fail(file.error());
  const auto description = models::describe((*file)->metadata(), (*file)->tensors());
  if (!description) return fail(description.error());
  const auto panels = ops::Panels::open(description->bindings.parts(**file), *ops, {});
  if (!panels) return fail(panels.error());
  auto model = models::Transformer::load(*description, **file, ops, **panels, {.block_tokens = kv::kBlockTokens});
  if (!model) return fail(model.error());
  auto tokenizer = text::Tokenizer::from_metadata((*file)->metadata());
  if (!tokenizer) return fail(tokenizer.error());

  const auto tokens = (*tokenizer)->encode(text, {.add_special = true});
  const auto specials = (*tokenizer)->encode("", {.add_special = true});
  const bool wants_bos = !specials.empty() && specials[0] == (*tokenizer)->bos();
  double sum = 0;
  int scored = 0;
  for (std::size_t begin = 0; begin + kPiece <= tokens.size(); begin += kPiece) {
    sum += surprise_of_piece(**model, *ops, std::span(tokens).subspan(begin, kPiece), wants_bos ? specials[0] : tokens[begin]);
    scored += kPiece - kFirst - 1;
  }
  if (scored == 0) return fail(ErrorCode::kInvalidArgument, std::string(text_path) + " has fewer tokens than one piece.");
  std::printf("%.4f %d\n", std::exp(sum / scored), scored);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: bench_perplexity MODEL TEXT [THREADS]\n"), 2;
  const auto done = run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 2);
  if (!done) return std::fprintf(stderr, "bench_perplexity: %s\n", done.error().message.c_str()), 1;
}
