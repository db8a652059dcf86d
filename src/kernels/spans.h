// Vectorised loops over contiguous floats, on the calling thread: what the elementwise, reduction
// and sparse kernels are made of. Outputs may be an input, but not partly overlap one. Internal.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/elementwise.h"

namespace taoism::kernels {

// y[i] = op(x[i]).
void unary_span(UnaryOp op, const float* x, float* y, int64_t count);

// y[i] = a[i] op b[i] limited to bounds; an operand marked scalar is one value for all i.
void binary_span(BinaryOp op, const float* a, bool a_scalar, const float* b, bool b_scalar,
                 float* y, int64_t count, const Bounds& bounds);

// y[i] = x[i] * scale[i] + shift[i] limited to bounds; `scalar`: scale[0] and shift[0] for all.
void affine_span(const float* x, const float* scale, const float* shift, bool scalar, float* y,
                 int64_t count, const Bounds& bounds);

// y[i] += weight * x[i].
void axpy_span(float weight, const float* x, float* y, int64_t count);

// How a fold takes in an element x: as it is, as |x| or as x * x, into a sum or a product or what
// is larger or smaller, where NaN wins.
enum class Fold : uint8_t { sum, magnitudes, squares, product, max, min };

// What a fold of nothing gives.
constexpr float identity_of(Fold fold) {
  return fold == Fold::product ? 1.0f
         : fold == Fold::max   ? Bounds{}.low
         : fold == Fold::min   ? Bounds{}.high
                               : 0.0f;
}
// All of x folded.
float fold_span(Fold fold, const float* x, int64_t count);
// The rows that a function goes through one after the other: row r lies r * stride further.
struct Rows {
  int64_t count = 1, stride = 0;
};
// x[i] of every row folded into y[i].
void fold_into_span(Fold fold, const float* x, const Rows& rows, float* y, int64_t count);

// The sum of (x[i] - center)^2.
float squares_span(const float* x, float center, int64_t count);
// y[i] = (x[i] - mean) * factor * scale[i] + shift[i]; scale and shift may be null: 1 and 0. The
// difference comes first: of numbers near their mean it loses nothing.
void normalize_span(const float* x, float mean, float factor, const float* scale,
                    const float* shift, float* y, int64_t count);

// The sum of exp(x[i] - shift), which goes to y[i] unless y is null.
float exp_span(const float* x, float shift, float* y, int64_t count);
// total[i] += exp(x[i] - shift[i]) of every row, which goes to y[i] of that row unless y is null.
void exp_into_span(const float* x, const Rows& rows, const float* shift, float* y, float* total,
                   int64_t count);
// y[i] of every row times factor[i].
void multiply_span(float* y, const Rows& rows, const float* factor, int64_t count);

}  // namespace taoism::kernels
