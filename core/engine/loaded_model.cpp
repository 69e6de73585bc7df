#include "core/engine/loaded_model.h"

#include <algorithm>
#include <ranges>
#include <set>

#include "core/engine/paging.h"
#include "core/formats/file_type.h"
#include "core/formats/sampling_advice.h"
#include "core/models/runnable.h"
#include "core/text/pair.h"
#include "platform/cpu.h"

namespace mlxr::engine {
namespace {

// A cache has blocks for at most this many whole contexts, or for a full batch of short texts, whichever is more. That of a model which
// computes whole texts has those of one step.
constexpr int kContextsInCache = 4, kShortText = 512;

// How much context a model can serve, and the caches for it.
struct Plan {
  std::vector<kv::Kind> kinds;
  bool whole_texts = false;  // each text is computed in one step, and nothing is kept of it
  int step_tokens = 0;       // of one sequence, at most
  int context = 0;           // tokens
  std::uint64_t bytes = 0;
  std::uint64_t bytes_saved = 0;  // by windows, of one whole context
};

// States take memory as soon as they are written, unlike keys and values of contexts that are seldom full: so they get at most so many
// bytes, but those of as many sessions as fit in them, and of this many at least.
constexpr std::uint64_t kStateBytes = 1 << 30;
constexpr int kLeastSessions = 4;

// How many blocks of a kind there should be, where a step computes at most so many tokens of all sequences.
int most_blocks(const kv::Kind& kind, const Plan& plan, int batch_tokens, const ops::Ops& ops) {
  const int of_context = kind.blocks_of_text(plan.context, plan.step_tokens);
  if (plan.whole_texts) return std::max(of_context, kv::blocks_for(batch_tokens)) + kMostSessions;  // the last of each may not be full
  if (kind.has_states()) {
    const auto affordable = static_cast<int>(std::min<std::uint64_t>(kStateBytes / kind.block_bytes(ops), 1 << 20));
    return std::clamp(affordable, kLeastSessions * of_context, kMostSessions * of_context);
  }
  return std::max(kContextsInCache * of_context, kMostSessions * kind.blocks_of_text(std::min(plan.context, kShortText), plan.step_tokens));
}

std::uint64_t bytes_without_windows(const Plan& plan, const ops::Ops& ops) {
  std::uint64_t bytes = 0;
  for (auto kind : plan.kinds) {
    if (!kind.has_states()) kind.window = 0;
    bytes += kind.block_bytes(ops) * static_cast<std::uint64_t>(kind.blocks_of_text(plan.context, plan.step_tokens));
  }
  return bytes;
}

// Gives every kind the blocks of one whole context, which fit, and the same share of what it should have beyond them: as much as fits.
void share_out(Plan& plan, const KvLimit& limit, const ops::Ops& ops) {
  std::vector<std::uint64_t> more;
  std::uint64_t beyond = 0;
  for (auto& kind : plan.kinds) {
    kind.set_blocks(kind.blocks_of_text(plan.context, plan.step_tokens));
    plan.bytes += kind.block_bytes(ops) * static_cast<std::uint64_t>(kind.blocks());
    more.push_back(static_cast<std::uint64_t>(most_blocks(kind, plan, limit.batch_tokens, ops) - kind.blocks()));
    beyond += kind.block_bytes(ops) * more.back();
  }
  const auto left = std::min(beyond, limit.bytes - plan.bytes);
  for (std::size_t i = 0; i < more.size(); ++i) {
    const auto extra = beyond == 0 ? 0 : more[i] * left / beyond;
    plan.kinds[i].set_blocks(plan.kinds[i].blocks() + static_cast<int>(extra));
    plan.bytes += plan.kinds[i].block_bytes(ops) * extra;
  }
}

Result<Plan> plan_cache(const models::ModelSpec& spec, const LoadOptions& options, const KvLimit& limit, const ops::Ops& ops) {
  const int wanted = options.context;
  if (options.max_context < 0) return fail(ErrorCode::kInvalidArgument, "max_context must be 0 (no limit) or more.");
  const int most = options.max_context != 0 ? std::min(options.max_context, spec.context) : spec.context;
  if (wanted < 0 || wanted > spec.context) {
    return fail(ErrorCode::kInvalidArgument, "context is " + std::to_string(wanted) + "; the model was trained for at most " +
                                                 std::to_string(spec.context) + " tokens.");
  }
  Plan plan{.kinds = kv::kinds_of(spec, limit.type),
            .whole_texts = spec.two_sided,
            .step_tokens = spec.two_sided ? spec.context : limit.batch_tokens};
  for (const auto& kind : plan.kinds) {
    if (kind.block_bytes(ops) != 0) continue;
    return fail(ErrorCode::kUnsupported, "This model cannot have a KV cache of type " + std::string(quant::traits(limit.type).name) +
                                             ": that needs a kernel pack, and heads of a multiple of 32 values (the model's have " +
                                             std::to_string(std::get<ops::CacheShape>(kind.shape).key_dim) + "). Set kv_type: f16.");
  }
  const auto bytes_of_text = [&](int tokens) {
    std::uint64_t bytes = 0;
    for (const auto& kind : plan.kinds)
      bytes += kind.block_bytes(ops) * static_cast<std::uint64_t>(kind.blocks_of_text(tokens, plan.step_tokens));
    return bytes;
  };
  const auto fits = [&](int blocks) { return bytes_of_text(blocks * kv::kBlockTokens) <= limit.bytes; };
  const auto sizes = std::views::iota(1, kv::blocks_for(most) + 1);
  const int affordable = static_cast<int>(std::ranges::partition_point(sizes, fits) - sizes.begin()) * kv::kBlockTokens;
  if (affordable == 0 || (wanted != 0 && bytes_of_text(wanted) > limit.bytes)) {
    const int context = wanted != 0 ? wanted : most;
    return fail(ErrorCode::kInvalidArgument, "A context of " + std::to_string(context) + " tokens needs " +
                                                 std::to_string(bytes_of_text(context) >> 20) + " MiB of KV cache; the limit is " +
                                                 std::to_string(limit.bytes >> 20) + " MiB.");
  }
  plan.context = wanted != 0 ? wanted : std::min(most, affordable);

  plan.bytes_saved = bytes_without_windows(plan, ops) - bytes_of_text(plan.context);
  share_out(plan, limit, ops);
  return plan;
}

Result<void> check_cancelled(const LoadOptions& options) {
  if (options.cancelled == nullptr || !*options.cancelled) return {};
  return fail(ErrorCode::kCancelled, "The load was cancelled.");
}

void add_warning(ModelInfo& info, const std::string& sentence) {
  if (!info.warning.empty() && !sentence.empty()) info.warning += " ";
  info.warning += sentence;
}

// Says which weights are converted, and what that costs. Empty if none are.
std::string conversions(std::span<const formats::Tensor> parts, const ops::Ops& ops) {
  std::set<std::string_view> types;
  std::uint64_t stored = 0, needed = 0;
  for (const auto& tensor : parts) {
    if (!ops.converted_type(tensor)) continue;
    types.insert(quant::traits(tensor.type).name);
    stored += tensor.bytes;
    needed += ops.weight_bytes(tensor);
  }
  if (types.empty()) return {};
  std::string names;
  for (const auto name : types) names += (names.empty() ? "" : ", ") + std::string(name);
  return "The kernel pack has no kernels for some of the weights (" + names +
         "). They are converted to other types while loading, and take " + std::to_string(needed >> 20) +
         " MiB of memory; in the file they take " + std::to_string(stored >> 20) + " MiB.";
}

// All tokens but those that a model's authors want in no answer (`suppress_tokens` of generation_config.json): Gemma 4 would else begin
// images and sounds. Empty if they name none. Numbers that are no tokens are passed over.
Result<std::vector<std::uint32_t>> read_allowed_tokens(const formats::Metadata& metadata, int vocabulary) {
  constexpr std::string_view kKey = "tokenizer.ggml.suppress_tokens";
  const auto suppressed = metadata.integers(kKey);
  if (suppressed.empty()) return {};
  std::vector<bool> is_allowed(static_cast<std::size_t>(vocabulary), true);
  for (const auto id : suppressed)
    if (id >= 0 && id < vocabulary) is_allowed[static_cast<std::size_t>(id)] = false;
  if (std::ranges::find(is_allowed, true) == is_allowed.end())
    return fail(ErrorCode::kCorrupt, "The model suppresses all of its tokens (" + std::string(kKey) + "), so it has no answers.");
  std::vector<std::uint32_t> words((is_allowed.size() + 31) / 32);
  for (std::size_t i = 0; i < is_allowed.size(); ++i)
    if (is_allowed[i]) words[i / 32] |= std::uint32_t{1} << i % 32;
  return words;
}

ModelInfo describe(const formats::Checkpoint& file, const std::filesystem::path& path, const models::ModelSpec& spec,
                   std::span<const formats::Tensor> parts, const Plan& plan, const ops::Ops& ops) {
  const auto& metadata = file.metadata();
  ModelInfo info;
  info.file = path;
  info.architecture = spec.architecture;
  info.name = metadata.string("general.name").value_or("");
  info.quantization = formats::file_type_name(file);
  info.chat_template = metadata.string("tokenizer.chat_template").value_or("");
  info.warning = conversions(parts, ops);
  auto advice = formats::read_sampling_advice(metadata);
  info.sampling = advice.values;
  for (const auto& key : advice.ignored) add_warning(info, "The model's advice " + key + " is ignored: MLXR cannot follow it.");
  for (const auto& tensor : file.tensors()) info.parameters += tensor.elements();
  for (const auto& tensor : parts) info.weight_bytes += ops.weight_bytes(tensor);
  info.file_bytes = file.file_size();
  info.kv_bytes = plan.bytes;
  info.kv_bytes_saved = plan.bytes_saved;
  info.context_length = plan.context;
  info.trained_context = spec.context;
  const auto& embedder = spec.embedder;
  const int width = embedder.layers.empty() ? spec.dim : embedder.layers.back().outputs;
  info.embedding_length = embedder.scores ? spec.dim : width;
  info.labels = embedder.scores ? width : 0;
  info.writes_text = !spec.two_sided;
  info.layers = spec.blocks();
  info.vocabulary = spec.vocabulary;
  return info;
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(platform::OpenFiles opened, const LoadOptions& options, const KvLimit& limit,
                                                       std::shared_ptr<const ops::Ops> ops) {
  if (auto go = check_cancelled(options); !go) return fail(go.error());
  const auto path = opened.name();
  auto file = formats::Checkpoint::open(std::move(opened));
  if (!file) return fail(file.error());
  const auto& metadata = (*file)->metadata();
  const auto description = models::describe_runnable(metadata, (*file)->tensors(), path.string());
  if (!description) return fail(description.error());
  const auto& spec = description->spec;
  auto tokenizer = text::Tokenizer::from_metadata(metadata);
  if (!tokenizer) return fail(tokenizer.error());
  if (auto fits = models::check_vocabulary((*tokenizer)->vocab_size(), spec.vocabulary); !fits) return fail(fits.error());
  auto allowed = read_allowed_tokens(metadata, spec.vocabulary);
  if (!allowed) return fail(allowed.error());
  const auto plan = plan_cache(spec, options, limit, *ops);
  if (!plan) return fail(plan.error());
  std::unique_ptr<LoadedModel> model(new LoadedModel);
  auto& info = model->info_;
  const auto parts = description->bindings.parts(**file);
  info = describe(**file, path, spec, parts, *plan, *ops);
  info.active_bytes = info.weight_bytes - idle_bytes(**file, description->bindings, *ops);
  ops::PanelOptions kept{
      .folder = options.panel_folder, .digest = options.digest, .limit = options.panel_limit, .cancelled = options.cancelled};
  const auto memory = options.memory != 0 ? options.memory : platform::usable_memory();
  decide_paging(info, memory, parts, *ops, kept);
  if (auto admitted = options.admit ? options.admit(info) : check_memory(info, memory); !admitted) return fail(admitted.error());
  if (auto go = check_cancelled(options); !go) return fail(go.error());

  if (info.is_paged) {
    add_warning(info, warning_of_paging(info, memory));
    kept.paged = description->bindings.experts(**file);
  }
  auto panels = ops::Panels::open(parts, *ops, std::move(kept));
  if (!panels) return fail(panels.error());
  const models::TransformerOptions served{kv::kBlockTokens, plan->context, options.cancelled};
  const auto load = [&] { return models::Transformer::load(*description, **file, ops, **panels, served); };
  auto transformer = load();
  if (!transformer && (*panels)->write_failed() && !info.is_paged) {  // a disk that cannot keep them does not keep the model from running
    add_warning(info, transformer.error().message + " The repacked weights are kept in memory.");
    panels = ops::Panels::open(parts, *ops, {.cancelled = options.cancelled});
    if (!panels) return fail(panels.error());
    transformer = load();
  }
  if (!transformer) return fail(transformer.error());
  if (!(*file)->unchanged())
    return fail(ErrorCode::kCorrupt, path.string() + " was changed by another program while it was loaded. Load it again.");
  if (const auto& problem = (*panels)->problem(); !problem.empty()) add_warning(info, problem + " They are made at every load.");
  for (const auto& warning : (*tokenizer)->warnings()) add_warning(info, warning);

  model->metadata_ = (*file)->share_metadata();
  model->panels_ = std::move(*panels);
  model->weights_ = model->panels_->find(*(*file)->find("token_embd.weight")).get();
  model->panels_->keep();
  model->tokenizer_ = std::move(*tokenizer);
  model->allowed_tokens_ = *std::move(allowed);
  model->transformer_ = std::move(*transformer);
  model->ops_ = ops;
  model->cache_ = std::make_unique<kv::Cache>(plan->kinds, plan->step_tokens, *ops);
  model->prefixes_ = std::make_unique<kv::Prefixes>(*model->cache_);
  model->chat_ = text::ChatFormat::make(text::chat_templates(metadata), *model->tokenizer_);
  return model;
}

std::vector<TokenId> LoadedModel::tokenize(std::string_view text, TokenizeOptions options) const {
  return tokenizer_->encode(text, {.add_special = options.add_special, .parse_special = options.parse_special});
}

std::string LoadedModel::detokenize(const std::vector<TokenId>& tokens, bool special) const {
  std::string result;
  text::Detokenizer out(*tokenizer_);
  for (TokenId id : tokens) {
    if (special && tokenizer_->is_control(id)) {
      result += out.finish() + tokenizer_->piece(id, true);
    } else {
      result += out.feed(id);
    }
  }
  return result + out.finish();
}

Pair LoadedModel::render_pair(std::string_view query, std::string_view document) const {
  return text::encode_pair(*tokenizer_, *metadata_, query, document);
}

Result<std::string> LoadedModel::render_chat_text(std::string_view context_json, ChatOptions options) const {
  if (!chat_) return fail(chat_.error());
  auto prompt = chat_->text(context_json, options.continue_final_message);
  if (!prompt) return fail(prompt.error());
  return prompt->bytes();
}

Result<std::vector<TokenId>> LoadedModel::render_chat(std::string_view context_json, ChatOptions options) const {
  if (!chat_) return fail(chat_.error());
  return chat_->tokens(context_json, options.continue_final_message);
}

}  // namespace mlxr::engine
