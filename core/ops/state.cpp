#include "core/ops/state.h"

#include <algorithm>

#include "core/ops/memory.h"

namespace mlxr::ops {
namespace {

namespace mx = mlx::core;

std::uint64_t input_bytes(const StateShape& s) {
  return sizeof(float) * static_cast<std::uint64_t>(s.taps - 1) * static_cast<std::uint64_t>(s.columns);
}
std::uint64_t matrix_bytes(const StateShape& s) {
  return sizeof(float) * static_cast<std::uint64_t>(s.heads) * static_cast<std::uint64_t>(s.key_dim) *
         static_cast<std::uint64_t>(s.value_dim);
}

// The bytes of a block in an array that has `size` of them for each.
std::span<std::byte> bytes_of(const mx::array& array, int block, std::uint64_t size) {
  auto* data = reinterpret_cast<std::byte*>(const_cast<mx::array&>(array).data<float>());
  return {data + static_cast<std::uint64_t>(block) * size, static_cast<std::size_t>(size)};
}

}  // namespace

std::uint64_t state_bytes(const StateShape& s) { return static_cast<std::uint64_t>(s.blocks) * (input_bytes(s) + matrix_bytes(s)); }

LayerState make_state(const StateShape& s) {
  const auto blocks = static_cast<std::uint64_t>(s.blocks);
  return {.shape = s,
          .inputs = mx::array(allocate(blocks * input_bytes(s)), mx::Shape{s.blocks, s.taps - 1, s.columns}, mx::float32),
          .matrices = mx::array(allocate(blocks * matrix_bytes(s)), mx::Shape{s.blocks, s.heads, s.key_dim, s.value_dim}, mx::float32)};
}

StatePath path_of(const Sequence& sequence, const LayerState& state) {
  const auto& pages = sequence.pages[static_cast<std::size_t>(state.kind)];
  const int size = state.shape.block_tokens, begin = sequence.length - sequence.count;
  const auto block_of = [&](int position) { return pages[static_cast<std::size_t>(position / size)]; };
  StatePath path{.from = begin > 0 ? block_of(begin - 1) : -1, .stops = {}};
  for (int end = begin; end < sequence.length;) {
    end = std::min(sequence.length, (end / size + 1) * size);
    if (const int block = block_of(end - 1); block >= 0) path.stops.push_back({end - begin, block});
  }
  return path;
}

void export_state(const LayerState& state, int block, std::span<std::byte> bytes) {
  const auto inputs = bytes_of(state.inputs, block, input_bytes(state.shape));
  const auto matrices = bytes_of(state.matrices, block, matrix_bytes(state.shape));
  std::ranges::copy(matrices, std::ranges::copy(inputs, bytes.begin()).out);
}

void import_state(LayerState& state, int block, std::span<const std::byte> bytes) {
  const auto inputs = bytes_of(state.inputs, block, input_bytes(state.shape));
  const auto matrices = bytes_of(state.matrices, block, matrix_bytes(state.shape));
  std::ranges::copy(bytes.first(inputs.size()), inputs.begin());
  std::ranges::copy(bytes.subspan(inputs.size()), matrices.begin());
}

}  // namespace mlxr::ops
