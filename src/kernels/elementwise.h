// Elementwise kernels over float32. Trusted: no allocation. Thread-safety: pure functions; each may
// work in place (output == input), but partly overlapping buffers are not allowed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "kernels/epilogue.h"

namespace taoism::kernels {

// y[i] = activation(x[i]).
void activate(const float* x, float* y, int64_t count, const Activation& activation,
              Parallel& parallel);

// abs .. reciprocal and floor .. sign are exact; the others are within a few units in the last
// place. log of less than 0 is NaN; round: halves to the even neighbour; softplus: log(1 + exp(x));
// softsign: x / (1 + |x|).
enum class UnaryOp : uint8_t {
  abs,
  neg,
  sqrt,
  reciprocal,
  floor,
  ceil,
  round,
  sign,
  exp,
  log,
  softplus,
  softsign
};

// y[i] = op(x[i]).
void unary(UnaryOp op, const float* x, float* y, int64_t count, Parallel& parallel);

// min and max: NaN if either is; prelu: a < 0 ? a * b : a.
enum class BinaryOp : uint8_t { add, sub, mul, div, min, max, prelu };

// y[i] = activation(a[i] op b[i]), all of the same shape.
void binary(BinaryOp op, const float* a, const float* b, float* y, int64_t count,
            const Activation& activation, Parallel& parallel);

inline constexpr int kMaxRank = 8;

// Operands of different shapes: y [dims[0]][..][dims[rank-1]] without gaps; strides in elements,
// 0 along a broadcast dimension. 0 <= rank <= kMaxRank; rank 0 is one element.
struct BroadcastShape {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t a_strides[kMaxRank] = {};
  int64_t b_strides[kMaxRank] = {};
};

// y = activation(a op b). In place only for an operand whose strides are those of y.
void binary_broadcast(BinaryOp op, const BroadcastShape& shape, const float* a, const float* b,
                      float* y, const Activation& activation, Parallel& parallel);

// y[n][c][i] = activation(x[n][c][i] * scale[c] + shift[c]), i in [0, inner). scale or shift may be
// null: 1 and 0.
void scale_shift(int64_t outer, int64_t channels, int64_t inner, const float* x, const float* scale,
                 const float* shift, float* y, const Activation& activation, Parallel& parallel);

}  // namespace taoism::kernels
