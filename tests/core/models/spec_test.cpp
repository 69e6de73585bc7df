// Each thing that a description can say of a layer has its effect, and the same one on MLX expressions and on the pack; whether a file
// keeps matrices fused has none.
#include "core/models/spec.h"

#include <gtest/gtest.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cstdlib>
#include <random>

#include "core/formats/gguf_writer.h"
#include "core/kv/cache.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/core/ops/arrays.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::models {
namespace {

constexpr int kTokens = 50, kVocabulary = 70;

ModelSpec plain() {
  ModelSpec spec{.architecture = "made up", .dim = 64, .vocabulary = kVocabulary, .context = 64, .norm_eps = 1e-5f};
  spec.ropes = {{.frequencies = std::vector<float>(16, 0.3f)}, {.frequencies = std::vector<float>(6, 0.7f), .interleaved = true}};
  const Attention attention{.heads = 4, .kv_heads = 2, .key_dim = 32, .value_dim = 32, .rope = 0, .scale = 0.2f};
  spec.layers.assign(3, {attention, GatedMlp{64, ops::Activation::kSilu}});
  return spec;
}

// Writes a file with random weights, which depend on their role and layer alone.
void write(const std::filesystem::path& path, const Bindings& bindings) {
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  for (const auto& [key, binding] : bindings.all()) {
    auto& [shape, values] = tensors[binding.tensor];
    shape = binding.shape;
    const auto columns = static_cast<std::size_t>(shape.size() > 1 ? shape.back() : 1);
    const auto stacked = static_cast<std::size_t>(std::max(1, binding.experts));
    values.resize(static_cast<std::size_t>(binding.experts > 0 ? shape[0] * shape[1] : shape[0]) * columns);
    std::mt19937 random(static_cast<unsigned>(100 * key.first + static_cast<int>(key.second)));
    std::uniform_real_distribution<float> real(-0.5, 0.5);
    const auto first = static_cast<std::size_t>(binding.first_row) * columns;
    for (std::size_t i = 0; i < stacked * static_cast<std::size_t>(binding.rows) * columns; ++i)
      values[first + i] = real(random) + (columns == 1 ? 1.0f : 0.0f);
  }
  std::vector<formats::TensorPlan> plans;
  for (const auto& [name, tensor] : tensors) plans.push_back({name, quant::Type::kF32, tensor.first});
  const auto keys = formats::GgufBuilder().key("general.architecture", std::string("made up")).bytes();
  auto writer = formats::GgufWriter::create(path, formats::gguf_pairs(std::as_bytes(std::span(keys))), plans, 32).value();
  for (const auto& [name, tensor] : tensors) writer.append(std::as_bytes(std::span(tensor.second))).value();
  writer.finish().value();
}

// The logits of every token of a text, which is read in two parts.
ops::mx::array logits(const ModelSpec& spec, std::shared_ptr<const ops::Ops> ops, bool fused = false) {
  TensorNames present;
  if (fused) present = {"blk.0.attn_qkv.weight", "blk.1.attn_qkv.weight", "blk.0.ffn_up.weight", "blk.2.ffn_up.weight"};
  const Description description{spec, bind_gguf(spec, present)};
  const platform::TemporaryFolder folder;
  write(folder.path / "m.gguf", description.bindings);
  const auto file = formats::Checkpoint::open(folder.path / "m.gguf").value();
  const auto panels = ops::Panels::open(description.bindings.parts(*file), *ops, {}).value();
  const auto model = Transformer::load(description, *file, ops, *panels, {.block_tokens = kv::kBlockTokens}).value();
  kv::Cache cache(kv::kinds_of(spec, quant::Type::kF16, 3), kTokens, *ops);
  kv::Pages pages;
  std::vector<ops::mx::array> parts;
  for (const auto& [first, end] : {std::pair{0, 30}, {30, kTokens}}) {
    std::vector<std::int32_t> tokens;
    for (int i = first; i < end; ++i) tokens.push_back(i * 7 % kVocabulary);
    EXPECT_TRUE(cache.extend(pages, first, end));
    ops::Batch batch;
    batch.append(tokens, first, pages, kv::kBlockTokens, end - first);
    parts.push_back(*model->forward(std::move(batch), cache.layers()));
    auto results = cache.arrays();
    results.push_back(parts.back());
    ops::mx::eval(results);
  }
  return ops::mx::concatenate(parts, 0);
}

struct Change {
  const char* name;
  void (*apply)(ModelSpec&);
};

Attention& attention(ModelSpec& spec, std::size_t layer) { return std::get<Attention>(spec.layers[layer].mixer); }

void layer_norms(ModelSpec& spec) { spec.norm = NormKind::kLayer; }

Experts mixture() { return {.count = 5, .hidden = 64, .routing = {.used = 2}}; }

const Change kChanges[] = {
    {"Nothing", [](ModelSpec&) {}},
    {"ALayerWithoutPositions", [](ModelSpec& spec) { attention(spec, 1).rope.reset(); }},
    {"ALayerWithOtherPositions", [](ModelSpec& spec) { attention(spec, 1).rope = 1; }},
    {"ARopeThatAlsoScales", [](ModelSpec& spec) { spec.ropes[0].magnitude = 1.3f; }},
    {"NarrowValues", [](ModelSpec& spec) { attention(spec, 1).value_dim = 16; }},
    {"WideKeys", [](ModelSpec& spec) { attention(spec, 1).key_dim = 96; }},
    {"MoreKvHeads", [](ModelSpec& spec) { attention(spec, 2).kv_heads = 4; }},
    {"AWindow", [](ModelSpec& spec) { attention(spec, 1).window = 9; }},
    {"AnotherScale", [](ModelSpec& spec) { attention(spec, 0).scale = 0.5f; }},
    {"ASoftCap", [](ModelSpec& spec) { attention(spec, 0).softcap = 0.8f; }},
    {"Sinks", [](ModelSpec& spec) { attention(spec, 0).sinks = true; }},
    {"HeadNorms", [](ModelSpec& spec) { attention(spec, 2).qk_norm = QkNorm::kHead; }},
    {"NormsOfEachHead", [](ModelSpec& spec) { layer_norms(spec), attention(spec, 2).qk_norm = QkNorm::kEachHead; }},
    {"NormsOfAllHeads", [](ModelSpec& spec) { attention(spec, 2).qk_norm = QkNorm::kWhole; }},
    {"LayerNorms", layer_norms},
    {"ARopeThatGrows",
     [](ModelSpec& spec) {
       spec.ropes[1] = spec.ropes[0], spec.ropes[1].growth = 0.3f, spec.ropes[1].growth_tokens = 7, attention(spec, 1).query_rope = 1;
     }},
    {"AnotherWidth", [](ModelSpec& spec) { std::get<GatedMlp>(spec.layers[1].feed_forward).hidden = 192; }},
    {"Gelu", [](ModelSpec& spec) { std::get<GatedMlp>(spec.layers[2].feed_forward).activation = ops::Activation::kGeluTanh; }},
    {"NormsAfter", [](ModelSpec& spec) { spec.layers[1].norms_after = true; }},
    {"NormsAfterAlone", [](ModelSpec& spec) { spec.layers[1].norms_after = true, spec.layers[1].norms_before = false; }},
    {"ParallelParts", [](ModelSpec& spec) { spec.layers[1].parallel = spec.layers[2].parallel = true; }},
    {"APlainMlp", [](ModelSpec& spec) { spec.layers[1].feed_forward = PlainMlp{96, ops::Activation::kGeluTanh}; }},
    {"Experts", [](ModelSpec& spec) { spec.layers[1].feed_forward = mixture(); }},
    {"ExpertsBySigmoid",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.routing = {.used = 3, .sigmoid = true, .normalised = true, .scale = 1.5f};
       experts.selection_bias = true;
       spec.layers[1].feed_forward = experts;
     }},
    {"ASharedExpert",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.shared_hidden = 96;
       experts.shared_router = true;
       experts.activation = ops::Activation::kClampedSwiglu;
       spec.layers[2].feed_forward = experts;
     }},
    {"ScaledLogits", [](ModelSpec& spec) { spec.logit_scale = 0.25f; }},
    {"CappedLogits", [](ModelSpec& spec) { spec.logit_softcap = 2; }},
    {"ScaledEmbeddings", [](ModelSpec& spec) { spec.embed_scale = 8; }},
};

class Spec : public ::testing::TestWithParam<Change> {};

TEST_P(Spec, HasItsEffectOnExpressionsAndOnThePack) {
  const std::shared_ptr<const ops::Ops> mlx = ops::make_mlx_ops();
  const std::shared_ptr<const ops::Ops> pack =
      ops::make_pack_ops(ops::KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), "auto", 2).value());
  auto spec = plain();
  GetParam().apply(spec);
  const auto want = logits(spec, mlx), got = logits(spec, pack);
  EXPECT_LT(ops::error(got, want), 5e-3);
  EXPECT_EQ(ops::error(logits(spec, pack, true), got), 0) << "fused";
  if (GetParam().name == std::string("Nothing")) return;
  EXPECT_GT(ops::error(want, logits(plain(), mlx)), 0.02);
}

INSTANTIATE_TEST_SUITE_P(Says, Spec, ::testing::ValuesIn(kChanges), [](const auto& test) { return std::string(test.param.name); });

TEST(CacheKinds, LayersWithTheSameCacheAreOfOneKind) {
  auto spec = plain();
  attention(spec, 1).window = 9;
  const auto kinds = caches_of(spec);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].layers, (std::vector{0, 2}));
  EXPECT_EQ(kinds[1].layers, (std::vector{1}));
  EXPECT_EQ(std::get<KeysAndValues>(kinds[1].content).window, 9);
}

}  // namespace
}  // namespace mlxr::models
