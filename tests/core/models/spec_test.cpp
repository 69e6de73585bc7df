// Each thing that a description can say of a layer has its effect, and the same one on MLX expressions and on the pack; whether a file
// keeps matrices fused has none.
#include "core/models/spec.h"

#include <gtest/gtest.h>
#include <mlx/ops.h>
#include <mlx/transforms.h>

#include <cstdlib>

#include "core/kv/cache.h"
#include "core/models/transformer.h"
#include "core/ops/pack.h"
#include "tests/core/models/made_up_model.h"
#include "tests/core/ops/arrays.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr::models {
namespace {

constexpr int kTokens = 50, kVocabulary = 70;

ModelSpec plain() {
  ModelSpec spec{.architecture = "made up", .dim = 64, .vocabulary = kVocabulary, .context = 64, .norm_eps = 1e-5f, .inner_eps = 1e-5f};
  spec.ropes = {{.frequencies = std::vector<float>(16, 0.3f)}, {.frequencies = std::vector<float>(6, 0.7f), .interleaved = true}};
  const Attention attention{.heads = 4, .kv_heads = 2, .key_dim = 32, .value_dim = 32, .rope = 0, .scale = 0.2f};
  spec.layers.assign(3, {attention, GatedMlp{64, ops::Activation::kSilu}});
  return spec;
}

// The logits of every token of a text, which is read in two parts.
ops::mx::array logits(const ModelSpec& spec, std::shared_ptr<const ops::Ops> ops, bool fused = false) {
  TensorNames present;
  if (fused) present = {"blk.0.attn_qkv.weight", "blk.1.attn_qkv.weight", "blk.0.ffn_up.weight", "blk.2.ffn_up.weight"};
  const Description description{spec, bind_gguf(spec, present)};
  const platform::TemporaryFolder folder;
  write_made_up_model(folder.path / "m.gguf", description.bindings);
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

LatentAttention latent_attention() {
  return {.heads = 4, .latent = 40, .query_latent = 24, .key_dim = 20, .rotated = 12, .value_dim = 16, .rope = 1, .scale = 0.2f};
}

LinearAttention linear_attention(bool delta) {
  LinearAttention a{.scan = {.heads = 4, .key_dim = 24, .value_dim = 20, .key_heads = 2}, .taps = 4, .delta = delta};
  a.scan.key_at = delta ? 48 : 80;
  a.scan.query_at = delta ? 0 : 128;
  a.scan.value_at = delta ? 96 : 0;
  return a;
}

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
    {"AnActivationWithParameters",
     [](ModelSpec& spec) { spec.layers[1].feed_forward = PlainMlp{.hidden = 96, .xielu = Xielu{0.7f, 0.9f, 0.5f, -1e-6f}}; }},
    {"Experts", [](ModelSpec& spec) { spec.layers[1].feed_forward = mixture(); }},
    {"ExpertsBySigmoid",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.routing = {.used = 3, .sigmoid = true, .normalised = true, .scale = 1.5f};
       experts.selection_bias = true;
       spec.layers[1].feed_forward = experts;
     }},
    {"ExpertsWithoutGates",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.gated = false;
       experts.shared_hidden = 96;
       experts.activation = ops::Activation::kSquaredRelu;
       spec.layers[1].feed_forward = experts;
     }},
    {"GroupsOfExperts",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.count = 6;
       experts.routing.groups = 3;
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
    {"AGateOfAttention", [](ModelSpec& spec) { attention(spec, 1).gated = true; }},
    {"LatentAttention", [](ModelSpec& spec) { spec.layers[1].mixer = latent_attention(); }},
    {"LatentAttentionOfOldFiles",
     [](ModelSpec& spec) {
       auto a = latent_attention();
       a.query_latent = 0;
       a.absorbed = false;
       spec.layers[1].mixer = spec.layers[2].mixer = a;
     }},
    {"ALayerWithoutMixer", [](ModelSpec& spec) { spec.layers[1].mixer = Absent(); }},
    {"ALastLayerWithoutMixer", [](ModelSpec& spec) { spec.layers[2].mixer = Absent(); }},
    {"ALayerWithoutFeedForwardPart", [](ModelSpec& spec) { spec.layers[1].feed_forward = Absent(); }},
    {"ValuesOfKeys", [](ModelSpec& spec) { attention(spec, 1).values_of_keys = true; }},
    {"NormsOfValues", [](ModelSpec& spec) { attention(spec, 1).value_norm = true; }},
    {"KeysOfAnotherLayer", [](ModelSpec& spec) { attention(spec, 2).shares = 0; }},
    {"InputsOfLayers", [](ModelSpec& spec) { spec.layer_inputs = 12; }},
    {"NormsAfterRotation", [](ModelSpec& spec) { attention(spec, 1).qk_norm = QkNorm::kHead, attention(spec, 1).norms_rotated = true; }},
    {"NormsWithoutWeights", [](ModelSpec& spec) { attention(spec, 1).qk_norm = QkNorm::kUnit; }},
    {"AnExpertOfWeighedInputs",
     [](ModelSpec& spec) {
       auto experts = mixture();
       experts.routing = {.used = 1, .sigmoid = true, .scale = 1.5f};
       experts.weighs_input = true;
       experts.shared_hidden = 96;
       spec.layers[1].feed_forward = experts;
     }},
    {"TwoStreams", [](ModelSpec& spec) { spec.streams = 2; }},
    {"ThreeStreamsAndInputsOfLayers", [](ModelSpec& spec) { spec.streams = 3, spec.layer_inputs = 12; }},
    {"ABypass", [](ModelSpec& spec) { spec.layers[1].bypass = spec.layers[2].bypass = 8; }},
    {"SparseGates", [](ModelSpec& spec) { std::get<GatedMlp>(spec.layers[1].feed_forward).cutoff = 0.7f; }},
    {"AScaledLayer", [](ModelSpec& spec) { spec.layers[1].scaled = true; }},
    {"ExpertsBesideAnMlp",
     [](ModelSpec& spec) { spec.layers[1].feed_forward = MlpAndExperts{{64, ops::Activation::kGeluTanh}, mixture()}; }},
    {"AShortConvolution", [](ModelSpec& spec) { spec.layers[1].mixer = ShortConvolution{3}; }},
    {"TheDeltaRule", [](ModelSpec& spec) { spec.layers[1].mixer = linear_attention(true); }},
    {"TheDeltaRuleInLastPlace", [](ModelSpec& spec) { spec.layers[2].mixer = linear_attention(true); }},
    {"TiledHeads",
     [](ModelSpec& spec) {
       auto a = linear_attention(true);
       a.scan.tiled = true;
       spec.layers[1].mixer = a;
     }},
    {"Mamba2", [](ModelSpec& spec) { spec.layers[1].mixer = linear_attention(false); }},
    {"Mamba2WithoutNorms",
     [](ModelSpec& spec) {
       auto a = linear_attention(false);
       a.norm_groups = 0;
       spec.layers[1].mixer = a;
     }},
    {"MixersSideBySide",
     [](ModelSpec& spec) {
       spec.layers[1].feed_forward = Absent();
       spec.layers[2].mixer = linear_attention(false);
       spec.layers[2].beside = true;
     }},
    {"Mamba2WithNormsOfGroups",
     [](ModelSpec& spec) {
       auto a = linear_attention(false);
       a.norm_groups = 2;
       spec.layers[1].mixer = spec.layers[2].mixer = a;
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
  spec.layers[0].mixer = spec.layers[2].mixer = ShortConvolution{3};
  EXPECT_EQ(std::get<State>(caches_of(spec)[0].content), (State{.columns = 64, .taps = 3}));
}

}  // namespace
}  // namespace mlxr::models
