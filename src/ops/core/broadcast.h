// Element by element over inputs that broadcast as numpy's do, of any types. Trusted.
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>

#include "ops/core/element.h"
#include "ops/core/index.h"
#include "ops/core/split.h"

namespace taoism::ops {

// Elements that a task handles at least.
inline constexpr int64_t kTaskElems = 16 * 1024;

// The shape of all inputs together.
inline Result<ir::Shape> broadcast_inputs(const NodeView& node) {
  ir::Shape shape = node.shape(0);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
    TAOISM_ASSIGN_OR_RETURN(shape, broadcast_shape(shape, node.shape(i)));
  }
  return shape;
}

// function(begin, end) over [0, count) in parallel.
template <typename Function>
void for_pieces(Parallel& parallel, int64_t count, int64_t piece, Function&& function) {
  parallel_for(parallel, static_cast<size_t>((count + piece - 1) / piece), [&](size_t i, size_t) {
    const int64_t begin = static_cast<int64_t>(i) * piece;
    function(begin, std::min(begin + piece, count));
  });
}

// out[i] = function(in0[i], in1[i], ...), input n of elements From_n.
template <typename To, typename... From, typename Function>
void map_broadcast(const RunContext& context, Function function) {
  constexpr size_t kInputs = sizeof...(From);
  const ir::Shape& out = context.node.outputs[0].shape;
  To* to = context.out<To>();
  if (out.elements() == 0) return;
  const auto run = [&]<size_t... kI>(std::index_sequence<kI...>) {
    const std::tuple<const From*...> from{context.in<From>(kI)...};
    if (((context.node.shape(kI) == out) && ...)) {
      for_pieces(context.parallel, out.elements(), kTaskElems, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = function(std::get<kI>(from)[i]...);
      });
      return;
    }
    const std::array<Index, kInputs> strides{broadcast_strides(context.node.shape(kI), out)...};
    const size_t rank = out.rank();
    const int64_t inner = rank == 0 ? 1 : out[rank - 1];
    const int64_t rows = out.elements() / inner;
    for_pieces(context.parallel, rows, std::max<int64_t>(1, kTaskElems / inner),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   std::array<int64_t, kInputs> offset = {};
                   int64_t index = row;
                   for (size_t d = rank - std::min<size_t>(rank, 1); d-- > 0;) {
                     for (size_t n = 0; n < kInputs; ++n)
                       offset[n] += index % out[d] * strides[n][d];
                     index /= out[d];
                   }
                   std::array<int64_t, kInputs> step = {};
                   for (size_t n = 0; n < kInputs && rank > 0; ++n) step[n] = strides[n][rank - 1];
                   for (int64_t i = 0; i < inner; ++i) {
                     to[row * inner + i] =
                         function(std::get<kI>(from)[offset[kI] + i * step[kI]]...);
                   }
                 }
               });
  };
  run(std::make_index_sequence<kInputs>());
}

}  // namespace taoism::ops
