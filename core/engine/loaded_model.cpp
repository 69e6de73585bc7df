#include "core/engine/loaded_model.h"

#include <algorithm>

#include "core/formats/file_type.h"
#include "core/models/config.h"
#include "core/models/runnable.h"
#include "platform/cpu.h"

namespace mlxr::engine {
namespace {

// An arena has blocks for at most this many whole contexts, or for a full batch of short texts, whichever is more.
constexpr int kContextsInArena = 4, kShortText = 512;

std::uint64_t most_blocks(int context) {
  const auto blocks = [](int texts, int tokens) {
    return static_cast<std::uint64_t>(texts) * static_cast<std::uint64_t>(kv::blocks_for(tokens));
  };
  return std::max(blocks(kContextsInArena, context), blocks(kMostSessions, std::min(context, kShortText)));
}

// How much context a model can serve, and the size of the arena for it.
struct Cache {
  kv::Layout layout;
  int context = 0;  // tokens
  int blocks = 0;
  std::uint64_t bytes = 0;
};

Result<Cache> plan_cache(const models::Config& config, const LoadOptions& options, const KvLimit& kv, const ops::Ops& ops) {
  const int wanted_context = options.context;
  if (options.max_context < 0) return fail(ErrorCode::kInvalidArgument, "max_context must be 0 (no limit) or more.");
  const int most = options.max_context != 0 ? std::min(options.max_context, config.context) : config.context;
  if (wanted_context < 0 || wanted_context > config.context) {
    return fail(ErrorCode::kInvalidArgument, "context is " + std::to_string(wanted_context) + "; the model was trained for at most " +
                                                 std::to_string(config.context) + " tokens.");
  }
  Cache cache{.layout = {config.layers, config.kv_heads, config.head_dim, kv.type}};
  const auto block_bytes = cache.layout.block_bytes(ops);
  if (block_bytes == 0) {
    return fail(ErrorCode::kUnsupported, "This model cannot have a KV cache of type " + std::string(quant::traits(kv.type).name) +
                                             ": that needs a kernel pack, and heads of a multiple of 32 values (the model's have " +
                                             std::to_string(config.head_dim) + "). Set kv_type: f16.");
  }
  const auto affordable = kv.bytes / block_bytes;
  const auto wanted = static_cast<std::uint64_t>(kv::blocks_for(wanted_context ? wanted_context : most));
  if (affordable == 0 || (wanted_context && wanted > affordable)) {
    return fail(ErrorCode::kInvalidArgument, "A context of " + std::to_string(wanted_context ? wanted_context : most) + " tokens needs " +
                                                 std::to_string(wanted * block_bytes >> 20) + " MiB of KV cache; the limit is " +
                                                 std::to_string(kv.bytes >> 20) + " MiB.");
  }
  cache.context = wanted_context ? wanted_context : static_cast<int>(std::min<std::uint64_t>(most, affordable * kv::kBlockTokens));
  cache.blocks = static_cast<int>(std::min(affordable, most_blocks(cache.context)));
  cache.bytes = static_cast<std::uint64_t>(cache.blocks) * block_bytes;
  return cache;
}

// Used when the caller has no `admit`: the weights must fit in the machine's memory.
Result<void> check_memory(const ModelInfo& info) {
  const auto memory = platform::usable_memory();
  if (info.weight_bytes <= memory) return {};
  return fail(ErrorCode::kOverloaded, info.file.filename().string() + " needs " + std::to_string(info.weight_bytes >> 20) +
                                          " MiB of memory for its weights, and this machine has " + std::to_string(memory >> 20) + " MiB.");
}

Result<void> check_cancelled(const LoadOptions& options) {
  if (options.cancelled == nullptr || !*options.cancelled) return {};
  return fail(ErrorCode::kCancelled, "The load was cancelled.");
}

void add_warning(ModelInfo& info, const std::string& sentence) {
  if (!info.warning.empty() && !sentence.empty()) info.warning += " ";
  info.warning += sentence;
}

ModelInfo describe(const formats::Checkpoint& file, const std::filesystem::path& path, const models::Config& config, const Cache& cache,
                   const ops::Ops& ops) {
  const auto& metadata = file.metadata();
  ModelInfo info;
  info.file = path;
  info.architecture = config.architecture;
  info.name = metadata.string("general.name").value_or("");
  info.quantization = formats::file_type_name(file);
  info.chat_template = metadata.string("tokenizer.chat_template").value_or("");
  std::uint64_t converted = 0;
  for (const auto& tensor : file.tensors()) {
    info.parameters += tensor.elements();
    info.weight_bytes += ops.weight_bytes(tensor);
    if (const auto type = ops.converted_type(tensor)) {
      converted += ops.weight_bytes(tensor);
      info.warning = "The kernel pack has no kernel for the type " + std::string(quant::traits(tensor.type).name) +
                     ". Such weights are kept as " + std::string(quant::traits(*type).name) + ", " + std::to_string(converted >> 20) +
                     " MiB of memory.";
    }
  }
  info.file_bytes = file.file_size();
  info.kv_bytes = cache.bytes;
  info.context_length = cache.context;
  info.trained_context = config.context;
  info.embedding_length = config.dim;
  info.layers = config.layers;
  info.vocabulary = config.vocabulary;
  return info;
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(platform::OpenFile opened, const LoadOptions& options, const KvLimit& kv,
                                                       std::shared_ptr<const ops::Ops> ops) {
  if (auto go = check_cancelled(options); !go) return fail(go.error());
  const auto path = opened.name();
  auto file = formats::Checkpoint::open(std::move(opened));
  if (!file) return fail(file.error());
  const auto& metadata = (*file)->metadata();
  if (auto runs = models::check_description(metadata, (*file)->tensors(), path.string()); !runs) return fail(runs.error());
  const auto config = models::read_config(metadata, (*file)->tensors());
  if (!config) return fail(config.error());
  auto tokenizer = text::Tokenizer::from_metadata(metadata);
  if (!tokenizer) return fail(tokenizer.error());
  if (auto fits = models::check_vocabulary((*tokenizer)->vocab_size(), config->vocabulary); !fits) return fail(fits.error());
  const auto cache = plan_cache(*config, options, kv, *ops);
  if (!cache) return fail(cache.error());
  std::unique_ptr<LoadedModel> model(new LoadedModel);
  auto& info = model->info_;
  info = describe(**file, path, *config, *cache, *ops);
  if (auto admitted = options.admit ? options.admit(info) : check_memory(info); !admitted) return fail(admitted.error());
  if (auto go = check_cancelled(options); !go) return fail(go.error());

  const ops::PanelOptions kept{
      .folder = options.panel_folder, .digest = options.digest, .limit = options.panel_limit, .cancelled = options.cancelled};
  auto panels = ops::Panels::open((*file)->tensors(), *ops, kept);
  if (!panels) return fail(panels.error());
  auto transformer = models::Transformer::load(**file, ops, **panels, options.cancelled);
  if (!transformer && (*panels)->write_failed()) {  // a disk that cannot keep them does not keep the model from running
    add_warning(info, transformer.error().message + " The repacked weights are kept in memory.");
    panels = ops::Panels::open((*file)->tensors(), *ops, {.cancelled = options.cancelled});
    if (!panels) return fail(panels.error());
    transformer = models::Transformer::load(**file, ops, **panels, options.cancelled);
  }
  if (!transformer) return fail(transformer.error());
  if (!(*file)->unchanged())
    return fail(ErrorCode::kCorrupt, path.string() + " was changed by another program while it was loaded. Load it again.");
  add_warning(info, (*panels)->problem());
  for (const auto& warning : (*tokenizer)->warnings()) add_warning(info, warning);

  model->metadata_ = (*file)->share_metadata();
  model->panels_ = std::move(*panels);
  model->weights_ = model->panels_->find(*(*file)->find("token_embd.weight")).get();
  model->panels_->keep();
  model->tokenizer_ = std::move(*tokenizer);
  model->transformer_ = std::move(*transformer);
  model->ops_ = ops;
  model->arena_ = std::make_unique<kv::Arena>(cache->layout, cache->blocks, *ops);
  model->prefixes_ = std::make_unique<kv::Prefixes>(*model->arena_);
  model->chat_ = text::ChatFormat::make(info.chat_template, *model->tokenizer_);
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
