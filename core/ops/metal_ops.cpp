#include "core/ops/metal_ops.h"

#include <mlx/allocator.h>
#include <mlx/backend/metal/device.h>
#include <mlx/backend/metal/metal.h>
#include <mlx/ops.h>
#include <mlx/primitives.h>

#include "core/ops/forwarding_ops.h"
#include "core/ops/memory.h"

// The selectors that this file uses. libmlx defines all of metal-cpp's, but does not export them.
namespace MTL::Private::Selector {
SEL s_ksetBytes_length_atIndex_ = sel_registerName("setBytes:length:atIndex:");
SEL s_ksetComputePipelineState_ = sel_registerName("setComputePipelineState:");
}  // namespace MTL::Private::Selector

namespace mlxr::ops {
namespace {

namespace metal = mx::metal;

// The launch geometry that kernels/metal/abi.h prescribes.
struct RmsNormVariant {
  std::string_view function;
  int threads;
};
constexpr RmsNormVariant kRowsOfAHead{"rms_norm_simd", 32}, kLongRows{"rms_norm_group", 256};
constexpr int kLongestRowOfAHead = 256;
constexpr std::array kFunctions = {kRowsOfAHead.function, kLongRows.function};

// A pack's functions on MLX's device, which owns them. Throws std::runtime_error when one does not load or compile.
class Functions {
 public:
  explicit Functions(const MetalPack& pack) {
    auto& device = metal::device(mx::Device::gpu);
    for (const auto name : kFunctions) {
      const std::string function(name);
      auto* library = pack.library.empty() ? device.get_library("mlxr_" + function, [&] { return pack.sources.find(name)->second; })
                                           : device.get_library("mlxr_kernels", pack.library.string());
      states_.emplace(name, device.get_kernel(function, library));
    }
  }
  MTL::ComputePipelineState* operator[](std::string_view name) const { return states_.find(name)->second; }

 private:
  std::map<std::string_view, MTL::ComputePipelineState*> states_;
};

// Inputs: x, weight, and the residual where there is one.
class RmsNorm final : public mx::Primitive {
 public:
  RmsNorm(mx::Stream stream, std::shared_ptr<const Functions> functions, float eps)
      : mx::Primitive(stream), functions_(std::move(functions)), eps_(eps) {}

  const char* name() const override { return "mlxr::RmsNorm"; }
  void eval_cpu(const std::vector<mx::array>&, std::vector<mx::array>&) override { throw std::logic_error("mlxr::RmsNorm is for a GPU"); }
  void eval_gpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    auto& y = outputs[0];
    y.set_data(allocate(y.nbytes()));
    const auto d = static_cast<std::uint32_t>(inputs[1].size());
    const std::uint32_t has_residual = inputs.size() == 3;
    const auto& variant = d <= kLongestRowOfAHead ? kRowsOfAHead : kLongRows;
    auto& encoder = metal::get_command_encoder(stream());
    encoder.set_compute_pipeline_state((*functions_)[variant.function]);
    encoder.set_input_array(inputs[0], 0);
    encoder.set_input_array(inputs[1], 1);
    encoder.set_input_array(inputs.back(), 2);
    encoder.set_output_array(y, 3);
    encoder.set_bytes(d, 4);
    encoder.set_bytes(eps_, 5);
    encoder.set_bytes(has_residual, 6);
    encoder.dispatch_threadgroups(MTL::Size(y.size() / d, 1, 1), MTL::Size(static_cast<NS::UInteger>(variant.threads), 1, 1));
  }

 private:
  std::shared_ptr<const Functions> functions_;
  float eps_;
};

class MetalOps final : public ForwardingOps {
 public:
  MetalOps(std::shared_ptr<const Functions> functions, std::shared_ptr<const Ops> expressions)
      : ForwardingOps(std::move(expressions)), functions_(std::move(functions)) {}

  mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps, const std::optional<mx::array>& residual) const override {
    std::vector<mx::array> inputs{mx::contiguous(x), mx::contiguous(weight)};
    if (residual) inputs.push_back(mx::contiguous(*residual));
    const auto stream = mx::default_stream(mx::Device::gpu);
    return mx::array(x.shape(), mx::float32, std::make_shared<RmsNorm>(stream, functions_, eps), std::move(inputs));
  }

 private:
  std::shared_ptr<const Functions> functions_;
};

// The first function that disagrees with the expressions by more than float32 sums in another order do; empty when none does.
std::string_view self_check(const Ops& ops, const Ops& expressions) {
  for (const auto& [function, d] : {std::pair{kRowsOfAHead.function, 67}, {kLongRows.function, 515}}) {
    const auto x = mx::reshape(mx::sin(mx::arange(0.0, 3.0 * d)), {3, d}), residual = mx::cos(x);
    const auto weight = mx::add(mx::arange(0.0, double(d)), mx::array(1.0f));
    for (const auto& r : {std::optional<mx::array>(), std::optional(residual)}) {
      const auto difference = mx::subtract(ops.rms_norm(x, weight, 1e-5f, r), expressions.rms_norm(x, weight, 1e-5f, r));
      if (!(mx::max(mx::abs(difference)).item<float>() <= 2e-5f * static_cast<float>(d))) return function;
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<const Ops>> make_metal_ops(const std::filesystem::path& folder, std::string& version) {
  if (!metal::is_available()) return fail(ErrorCode::kUnsupported, "The Metal kernels need a GPU, and this Mac has none that MLX can use.");
  auto pack = MetalPack::load(folder, kFunctions);
  if (!pack) return fail(pack.error());
  version = pack->version;
  try {
    const std::shared_ptr<const Ops> expressions = make_mlx_ops();
    auto ops = std::make_unique<const MetalOps>(std::make_shared<const Functions>(*pack), expressions);
    if (const auto failing = self_check(*ops, *expressions); !failing.empty())
      return fail(ErrorCode::kCorrupt,
                  "The Metal kernel pack failed its self-check: " + std::string(failing) + " computes a wrong result.");
    return ops;
  } catch (const std::exception& e) {  // an error of Metal's compiler or loader
    return fail(ErrorCode::kCorrupt, "The Metal kernel pack in " + folder.string() + " cannot be used: " + e.what());
  }
}

}  // namespace mlxr::ops
