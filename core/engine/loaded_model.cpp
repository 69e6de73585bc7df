#include "core/engine/loaded_model.h"

#include <algorithm>

#include "core/formats/file_type.h"

namespace mlxr::engine {
namespace {

// How many contexts' worth of blocks an arena has at most: that many long requests can be in flight at once.
constexpr int kContextsInArena = 4;

}  // namespace

Result<std::shared_ptr<LoadedModel>> LoadedModel::load(const std::filesystem::path& path, const LoadOptions& options, const KvLimit& kv,
                                                       std::shared_ptr<const ops::Ops> ops) {
  auto file = formats::Checkpoint::open(path);
  if (!file) return fail(file.error());
  auto panels =
      ops::Panels::open((*file)->tensors(), *ops, {.folder = options.panel_folder, .digest = options.digest, .limit = options.panel_limit});
  if (!panels) return fail(panels.error());
  auto transformer = models::Transformer::load(**file, ops, **panels);
  if (!transformer) return fail(transformer.error());
  const auto& config = (*transformer)->config();
  auto tokenizer = text::Tokenizer::from_metadata((*file)->metadata());
  if (!tokenizer) return fail(tokenizer.error());
  if ((*tokenizer)->vocab_size() > config.vocabulary) {
    return fail(ErrorCode::kCorrupt, "The model's vocabulary has " + std::to_string((*tokenizer)->vocab_size()) +
                                         " tokens and its embeddings only " + std::to_string(config.vocabulary) + " rows.");
  }

  if (options.context < 0 || options.context > config.context) {
    return fail(ErrorCode::kInvalidArgument, "context is " + std::to_string(options.context) + "; the model was trained for at most " +
                                                 std::to_string(config.context) + " tokens.");
  }
  auto layout = (*transformer)->kv_layout();
  layout.type = kv.type;
  const auto block_bytes = layout.block_bytes(*ops);
  if (block_bytes == 0) {
    return fail(ErrorCode::kUnsupported, "This model cannot have a KV cache of type " + std::string(quant::traits(kv.type).name) +
                                             ": that needs a kernel pack, and heads of a multiple of 32 values (the model's have " +
                                             std::to_string(config.head_dim) + "). Set kv_type: f16.");
  }
  const auto affordable = kv.bytes / block_bytes;
  const auto wanted = static_cast<std::uint64_t>(kv::blocks_for(options.context ? options.context : config.context));
  if (affordable == 0 || (options.context && wanted > affordable)) {
    return fail(ErrorCode::kInvalidArgument, "A context of " + std::to_string(options.context ? options.context : config.context) +
                                                 " tokens needs " + std::to_string(wanted * block_bytes >> 20) +
                                                 " MiB of KV cache; the limit is " + std::to_string(kv.bytes >> 20) + " MiB.");
  }
  const int context =
      options.context ? options.context : static_cast<int>(std::min<std::uint64_t>(config.context, affordable * kv::kBlockTokens));
  const int blocks =
      static_cast<int>(std::min<std::uint64_t>(affordable, static_cast<std::uint64_t>(kContextsInArena) * kv::blocks_for(context)));

  std::shared_ptr<LoadedModel> model(new LoadedModel);
  const auto& metadata = (*file)->metadata();
  auto& info = model->info_;
  info.file = path;
  info.architecture = config.architecture;
  info.name = metadata.string("general.name").value_or("");
  info.quantization = formats::file_type_name(**file);
  info.chat_template = metadata.string("tokenizer.chat_template").value_or("");
  for (const auto& tensor : (*file)->tensors()) {
    std::uint64_t n = 1;
    for (auto d : tensor.shape) n *= static_cast<std::uint64_t>(d);
    info.parameters += n;
  }
  info.warning = (*panels)->problem();
  for (const auto& warning : (*tokenizer)->warnings()) {
    if (!info.warning.empty()) info.warning += ' ';
    info.warning += warning;
  }
  info.file_bytes = (*file)->file_size();
  info.kv_bytes = static_cast<std::uint64_t>(blocks) * block_bytes;
  info.context_length = context;
  info.trained_context = config.context;
  info.embedding_length = config.dim;
  info.layers = config.layers;
  info.vocabulary = config.vocabulary;

  model->file_ = std::move(*file);
  model->panels_ = std::move(*panels);
  model->panels_->keep();
  model->tokenizer_ = std::move(*tokenizer);
  model->transformer_ = std::move(*transformer);
  model->arena_ = std::make_unique<kv::Arena>(layout, blocks, *ops);
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
