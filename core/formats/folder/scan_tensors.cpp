// Tensors of layers that scan: of the gated delta rule, and of Mamba 2.
#include <numeric>
#include <utility>

#include "core/formats/folder/decoded_sources.h"
#include "core/formats/folder/tensor_builder.h"
#include "core/formats/printable.h"

namespace mlxr::formats {
namespace {

// The rows of value heads, `width` of each, after `before` others. Tiled: those that are first among the heads of their key head come
// first.
void append_heads(std::vector<std::int64_t>& order, const ScanShape& scan, bool tiled, std::int64_t width, std::int64_t before) {
  const auto of_each = scan.value_heads / scan.key_heads;
  for (std::int64_t head = 0; head < scan.value_heads; ++head) {
    const auto from = tiled ? head % scan.key_heads * of_each + head / scan.key_heads : head;
    for (std::int64_t row = 0; row < width; ++row) order.push_back(before + from * width + row);
  }
}

std::vector<std::int64_t> counting(std::int64_t count) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

bool TensorBuilder::drop_single_channel(Tensor& taps) {
  auto& shape = taps.shape;
  if (shape.size() != 3 || (shape[1] != 1 && shape[2] != 1)) return false;
  shape = {shape[0], shape[1] * shape[2]};
  return true;
}

Result<void> TensorBuilder::build_scan(const MappedName& mapped, Tensor plain, const std::string& stored_name) {
  const auto& scan = model_.scan;
  const bool tiled = model_.type->tiled_heads, of_mamba = model_.type->recurrence == Recurrence::kMamba2;
  if (scan.key_heads == 0) return unknown(stored_name);
  const auto keys = scan.key_heads * scan.key_dim, values = scan.value_heads * scan.value_dim;
  const auto finish = [&](std::string name, const Tensor& base, std::vector<std::int64_t> order, std::int64_t rows) -> Result<void> {
    auto made = ordered(base, std::move(order), rows, stored_name);
    if (!made) return fail(made.error());
    const bool vector = made->shape.size() == 1 || mapped.layout == Layout::kScanTaps;
    if (vector && of_mamba && mapped.layout != Layout::kSteps) made->shape = {rows, 1};
    emit(std::move(name), vector ? as_floats(*std::move(made), 0) : *std::move(made));
    return {};
  };
  std::vector<std::int64_t> order;
  switch (mapped.layout) {
    case Layout::kRates: {
      if (plain.shape.size() != 1) return wrong_shape(stored_name);
      auto shape = plain.shape;
      plain = from(std::make_unique<FloatSource>(std::move(plain), 0.0f, true), quant::Type::kF32, std::move(shape));
      [[fallthrough]];
    }
    case Layout::kScanSkip:
    case Layout::kSteps: append_heads(order, scan, tiled, 1, 0); return finish(mapped.name, plain, std::move(order), scan.value_heads);
    case Layout::kScanNorm:
      if (plain.shape.size() != 1) return wrong_shape(stored_name);
      plain = as_floats(std::move(plain), 0);
      if (of_mamba) {
        if (plain.shape[0] != values) return wrong_shape(stored_name);
        plain.shape = {scan.key_heads, values / scan.key_heads};
      }
      emit(mapped.name, std::move(plain));
      return {};
    case Layout::kScanGate:
      append_heads(order, scan, tiled, scan.value_dim, 0);
      return finish(mapped.name, plain, std::move(order), values);
    case Layout::kScanTaps:
      if (!drop_single_channel(plain)) return wrong_shape(stored_name);
      [[fallthrough]];
    case Layout::kScanInput:
      order = counting(2 * keys);
      append_heads(order, scan, tiled, scan.value_dim, 2 * keys);
      return finish(mapped.name, plain, std::move(order), 2 * keys + values);
    case Layout::kScanInTurn: {
      const auto of_each = values / scan.key_heads, every = 2 * scan.key_dim + 2 * of_each;
      std::vector<std::int64_t> gates;
      const auto take = [&](std::vector<std::int64_t>& rows, std::int64_t first, std::int64_t count) {
        for (std::int64_t head = 0; head < scan.key_heads; ++head)
          for (std::int64_t row = 0; row < count; ++row) rows.push_back(head * every + first + row);
      };
      take(order, 0, scan.key_dim);
      take(order, scan.key_dim, scan.key_dim);
      take(order, 2 * scan.key_dim, of_each);
      take(gates, 2 * scan.key_dim + of_each, of_each);
      auto gate_name = mapped.name;
      gate_name.replace(gate_name.find("attn_qkv"), std::string_view("attn_qkv").size(), "attn_gate");
      if (auto done = finish(std::move(gate_name), plain, std::move(gates), every * scan.key_heads); !done) return done;
      return finish(mapped.name, plain, std::move(order), every * scan.key_heads);
    }
    default: break;
  }
  // kScanOutput. Packed values stay in their blocks, so heads must be whole blocks.
  if (plain.shape.size() != 2 || plain.shape[1] != values) return wrong_shape(stored_name);
  if (!tiled) {
    emit(mapped.name, std::move(plain));
    return {};
  }
  if (scan.value_dim % static_cast<std::int64_t>(quant::traits(plain.type).block_size) != 0)
    return fail(ErrorCode::kUnsupported, "MLXR cannot run this model yet: the blocks of its tensor " + printable(stored_name) +
                                             " are wider than the heads of its linear attention.");
  append_heads(order, scan, tiled, 1, 0);
  const auto type = plain.type;
  auto shape = plain.shape;
  emit(mapped.name, from(std::make_unique<OrderedColumnsSource>(std::move(plain), std::move(order)), type, std::move(shape)));
  return {};
}

}  // namespace mlxr::formats
