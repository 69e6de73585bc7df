// A residual stream that is kept several times (AltUp: Baykal et al. 2023), where layers work on the first copy and estimate the others.
#include <cmath>

#include <mlx/ops.h>

#include "core/models/columns.h"
#include "core/models/transformer.h"
#include "core/models/weight_reader.h"

namespace mlxr::models {
namespace {

namespace mx = mlx::core;

// x with the length that the rows of `like` have. Both are of the same width.
mx::array as_long_as(const mx::array& x, const mx::array& like) {
  const auto square = [](const mx::array& rows) { return mx::mean(mx::square(rows), -1, true); };
  const auto least = mx::array(1e-5f);
  return mx::multiply(x, mx::divide(mx::sqrt(square(like)), mx::sqrt(mx::maximum(square(x), least))));
}

// The streams, one after the other: of (T, streams · dim), (T, streams, dim).
mx::array apart(const mx::array& streams, int count) { return mx::reshape(streams, {streams.shape(0), count, streams.shape(1) / count}); }

}  // namespace

std::optional<Transformer::Streams> Transformer::read_streams(WeightReader& reader, int layer, int count, int dim) {
  auto norm = read_norm(reader, Role::kStreamRouterNorm, layer, 1 / static_cast<float>(dim));
  const auto predictions = reader.vector(Role::kStreamPredictions, layer), corrections = reader.vector(Role::kStreamCorrections, layer);
  auto scale = reader.vector(Role::kStreamScale, layer);
  if (!norm || !predictions || !corrections || !scale) return std::nullopt;
  const auto inputs_first = [&](const mx::array& matrix) {
    auto turned = mx::contiguous(mx::transpose(mx::reshape(matrix, {-1, count})));
    turned.eval();
    return turned;
  };
  return Streams{.router_norm = *std::move(norm),
                 .router = reader.matrix(Role::kStreamRouter, layer),
                 .predictions = inputs_first(*predictions),
                 .corrections = inputs_first(*corrections),
                 .scale = *std::move(scale)};
}

mx::array Transformer::streams_of(const mx::array& x, const ops::Step& step) const {
  std::vector<mx::array> all{x};
  for (const auto& matrix : streams_in_) all.push_back(as_long_as(ops_->q_gemm(step, x, *matrix), x));
  return mx::concatenate(all, 1);
}

mx::array Transformer::merged(const mx::array& streams, const ops::Step& step) const {
  const auto first = columns_of(streams, 0, spec_.dim);
  auto sum = first;
  for (int i = 1; const auto& matrix : streams_out_)
    sum = mx::add(sum, as_long_as(ops_->q_gemm(step, columns_of(streams, i++, spec_.dim), *matrix), first));
  return mx::divide(sum, mx::array(static_cast<float>(spec_.streams)));
}

mx::array Transformer::shares_of_streams(const Layer& layer, const mx::array& x, const ops::Step& step) const {
  return mx::tanh(ops_->q_gemm(step, normalised(x, layer.streams->router_norm), *layer.streams->router));
}

mx::array Transformer::predicted(const Layer& layer, const mx::array& streams, const ops::Step& step) const {
  const int count = spec_.streams, tokens = streams.shape(0);
  const auto shares = shares_of_streams(layer, columns_of(streams, 0, spec_.dim), step);
  const auto mix = mx::reshape(mx::matmul(shares, layer.streams->predictions), {tokens, count, count});
  return mx::add(streams, mx::reshape(mx::matmul(mix, apart(streams, count)), streams.shape()));
}

mx::array Transformer::corrected(const Layer& layer, const mx::array& streams, const mx::array& x, const std::optional<mx::array>& input,
                                 const ops::Step& step) const {
  const int count = spec_.streams, tokens = streams.shape(0);
  const auto shares = mx::add(mx::matmul(shares_of_streams(layer, x, step), layer.streams->corrections), mx::array(1.0f));
  const auto news = mx::subtract(x, columns_of(streams, 0, spec_.dim));
  const auto corrections = mx::multiply(mx::expand_dims(shares, 2), mx::expand_dims(news, 1));
  const auto all = mx::add(streams, mx::reshape(corrections, streams.shape()));
  if (!input) return all;
  const auto first = columns_of(all, 0, spec_.dim);
  const auto gated = gated_input(layer, mx::multiply(first, layer.streams->scale), *input, step);
  const auto of_input = normalised(ops_->q_gemm(step, gated, *layer.input_output), layer.norm_after_input);
  const auto others = mx::slice(all, {0, spec_.dim}, {tokens, count * spec_.dim});
  return mx::concatenate({first, mx::add(others, mx::tile(of_input, {1, count - 1}))}, 1);
}

}  // namespace mlxr::models
