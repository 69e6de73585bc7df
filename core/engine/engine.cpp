#include <mlxrunner/engine.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>

#include "core/decode/sampler.h"
#include "core/engine/disposer.h"
#include "core/engine/loaded_model.h"
#include "core/engine/scheduler.h"
#include "core/ops/installed.h"
#include "core/ops/metal_ops.h"
#include "core/ops/ops.h"
#include "core/ops/pack.h"
#include "platform/cpu.h"
#include "platform/open_file.h"

namespace mlxr {
namespace {

constexpr std::size_t kMaxStops = 256;
constexpr int kMaxTopLogprobs = 20;

// Counted for the whole process: a pack that was refused once is likely to be refused again, and the count shows it.
std::atomic<std::uint64_t> g_fallbacks{0};

std::string problem_with(const EngineOptions& o) {
  if (o.threads < 0 || o.threads > 1024) return "threads must be between 0 (all cores) and 1024";
  if (o.max_batch_tokens < 1 || o.max_batch_tokens > 8192) return "max_batch_tokens must be between 1 and 8192";
  if (o.target_latency_ms < 0 || o.target_latency_ms > 60000) return "target_latency_ms must be between 0 (none) and 60000";
  if (o.max_queue < 1) return "max_queue must be at least 1";
  if (o.kv_type != "f16" && o.kv_type != "q8_0") return "kv_type must be f16 or q8_0";
  return {};
}

std::string problem_with(const Request& r, const ModelInfo& model) {
  if (r.prompt.empty()) return "prompt must have at least one token";
  for (TokenId id : r.prompt) {
    if (id < 0 || id >= model.vocabulary) return "prompt holds the token " + std::to_string(id) + ", which the model does not have";
  }
  if (r.second < 0 || std::cmp_greater_equal(r.second, r.prompt.size())) return "second must be 0, or the index of a token of the prompt";
  if (r.max_tokens < -1) return "max_tokens must be -1 (no limit) or more";
  if (r.stop.size() > kMaxStops)
    return "stop has " + std::to_string(r.stop.size()) + " strings; at most " + std::to_string(kMaxStops) + " are allowed";
  for (const auto& s : r.stop) {
    if (s.empty()) return "stop holds an empty string";
  }
  if (r.top_logprobs < -1 || r.top_logprobs > kMaxTopLogprobs)
    return "top_logprobs must be between 0 and " + std::to_string(kMaxTopLogprobs);
  return decode::problem_with(r.sampling);
}

Result<std::unique_ptr<const ops::Ops>> cpu_ops(const EngineOptions& options, KernelStatus& status) {
  const auto folder = options.kernel_pack.empty() ? ops::KernelPack::default_folder() : options.kernel_pack;
  auto pack = ops::KernelPack::load(folder, status.requested, status.threads);
  if (!pack) return fail(pack.error());
  status.variant = (*pack)->table().variant;
  status.pack_version = (*pack)->table().version;
  return ops::make_pack_ops(*pack);
}

Result<std::unique_ptr<const ops::Ops>> metal_ops(const EngineOptions& options, KernelStatus& status) {
  status.variant = "metal";
  return ops::make_metal_ops(options.kernel_pack.empty() ? ops::MetalPack::default_folder() : options.kernel_pack, status.pack_version);
}

// The implementation of ops/ that the options ask for. A pack that cannot be used is a warning, never a failure.
std::shared_ptr<const ops::Ops> choose_ops(const EngineOptions& options, KernelStatus& status) {
  if (status.requested == "mlx") {
    status.variant = "mlx";
    return ops::make_mlx_ops();
  }
  auto chosen = status.requested == "metal" ? metal_ops(options, status) : cpu_ops(options, status);
  if (chosen) return *std::move(chosen);
  status.variant = "mlx";
  status.pack_version.clear();
  status.warning = chosen.error().message + " Running on MLX expressions, which is slower.";
  status.fallbacks = ++g_fallbacks;
  return ops::make_mlx_ops();
}

engine::KvLimit kv_limit(const EngineOptions& options) {
  const auto type = options.kv_type == "q8_0" ? quant::Type::kQ8_0 : quant::Type::kF16;
  return {.bytes = options.kv_bytes, .type = type, .batch_tokens = options.max_batch_tokens};
}

}  // namespace

struct Engine::State {
  EngineOptions options;
  KernelStatus kernels;
  std::shared_ptr<const ops::Ops> ops;
  std::shared_ptr<engine::Disposer> disposer = engine::Disposer::make();
  std::unique_ptr<engine::Scheduler> scheduler;

  Result<std::shared_ptr<Model>> load(Result<platform::OpenFiles> files, const LoadOptions& load_options) const;
};

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options) {
  if (auto problem = problem_with(options); !problem.empty()) return fail(ErrorCode::kInvalidArgument, problem + ".");
  auto state = std::make_unique<State>();
  state->kernels.requested = options.kernels;
  if (const char* variable = std::getenv("MLXR_KERNELS"); variable && *variable) state->kernels.requested = variable;
  const auto& requested = state->kernels.requested;
  if (std::ranges::find(kKernelNames, requested) == kKernelNames.end())
    return fail(ErrorCode::kInvalidArgument, "kernels is '" + requested + "'; use auto, mlx, metal, amx, avx512, avx2, neon or scalar.");
  state->kernels.threads = options.threads ? options.threads : platform::usable_cores();
  if (options.kv_bytes == 0) options.kv_bytes = platform::usable_memory() / 8;
  state->options = options;
  try {
    ops::find_mlx_kernels();
    state->ops = choose_ops(options, state->kernels);
    state->scheduler = std::make_unique<engine::Scheduler>(options);
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, std::string("The engine could not start: ") + e.what());
  }
  return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::shared_ptr<Model>> Engine::State::load(Result<platform::OpenFiles> files, const LoadOptions& load_options) const {
  if (!files) return fail(std::move(files.error()));
  const std::string name = files->name().filename().string();
  try {
    auto model = engine::LoadedModel::load(*std::move(files), load_options, kv_limit(options), ops);
    if (!model) return fail(std::move(model.error()));
    return disposer->watch(*std::move(model));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOverloaded, "There is not enough memory for " + name + ".");
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, "The engine could not load " + name + ": " + e.what());
  }
}

Result<std::shared_ptr<Model>> Engine::load(const std::filesystem::path& path, LoadOptions options) {
  return state_->load(formats::open_model_files(path), options);
}

Result<std::shared_ptr<Model>> Engine::load(std::span<const OpenedFile> files, const std::filesystem::path& name, LoadOptions options) {
  std::vector<platform::OpenFile> own;
  for (const auto& file : files) {
    auto copy = platform::OpenFile::duplicate(file.descriptor, file.name);
    if (!copy) return fail(std::move(copy.error()));
    own.push_back(*std::move(copy));
  }
  if (own.empty()) return fail(ErrorCode::kInvalidArgument, "A model without a file cannot be loaded.");
  return state_->load(platform::OpenFiles(name, std::move(own)), options);
}

Result<Reply> Engine::submit(std::shared_ptr<Model> model, Request request) {
  auto loaded = std::dynamic_pointer_cast<engine::LoadedModel>(model);
  if (!loaded || &loaded->ops() != state_->ops.get()) return fail(ErrorCode::kInvalidArgument, "The model was not loaded by this engine.");
  if (auto problem = problem_with(request, loaded->info()); !problem.empty()) return fail(ErrorCode::kInvalidArgument, problem + ".");

  if (request.output == Output::kEmbedding) {
    request.max_tokens = 0;
  } else if (!loaded->info().writes_text) {
    return fail(ErrorCode::kUnsupported, loaded->info().file.filename().string() +
                                             " makes embeddings of texts; it does not write any. Take another model for chats.");
  }

  const int context = context_of(request, loaded->info()), prompt = static_cast<int>(request.prompt.size());
  const int wanted = std::max(request.max_tokens, request.max_tokens == -1 ? 1 : 0);
  if (prompt > context - wanted) {
    return fail(ErrorCode::kContextExceeded, "The prompt has " + std::to_string(prompt) + " tokens and " + std::to_string(wanted) +
                                                 " more were asked for, " + std::to_string(static_cast<std::int64_t>(prompt) + wanted) +
                                                 " in all; the model's context holds " + std::to_string(context) + ".");
  }
  const int max_tokens = request.max_tokens == -1 ? context - prompt : request.max_tokens;
  auto reply = std::make_shared<Reply::State>();
  auto session = std::make_unique<engine::Session>(std::move(loaded), std::move(request), max_tokens, reply);
  if (!state_->scheduler->submit(std::move(session))) {
    return fail(ErrorCode::kOverloaded,
                "The queue is full: " + std::to_string(state_->options.max_queue) + " requests are waiting for this model.");
  }
  return Reply(std::move(reply));
}

EngineStatus Engine::status() const {
  EngineStatus status;
  status.kernels = state_->kernels;
  state_->scheduler->report(status);
  return status;
}

}  // namespace mlxr
