// Vectorised loops over contiguous floats, on the calling thread: what the elementwise, reduction
// and sparse kernels are made of. Outputs may be an input, but not partly overlap one. Internal.
#pragma once

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/elementwise.h"

namespace taoism::kernels {

// y[i] = a[i] op b[i] limited to bounds; an operand marked scalar is one value for all i.
void binary_span(BinaryOp op, const float* a, bool a_scalar, const float* b, bool b_scalar,
                 float* y, int64_t count, const Bounds& bounds);

// y[i] = x[i] * scale[i] + shift[i] limited to bounds; `scalar`: scale[0] and shift[0] for all.
void affine_span(const float* x, const float* scale, const float* shift, bool scalar, float* y,
                 int64_t count, const Bounds& bounds);

// y[i] += weight * x[i].
void axpy_span(float weight, const float* x, float* y, int64_t count);

// y[i] = max(y[i], x[i]); NaN wins.
void max_into_span(const float* x, float* y, int64_t count);
// y[i] = exp(x[i] - shift[i]), total[i] += y[i].
void exp_into_span(const float* x, const float* shift, float* y, float* total, int64_t count);

// The largest element (NaN if there is one), -inf when count is 0; the sum.
float max_span(const float* x, int64_t count);
float sum_span(const float* x, int64_t count);
// The sum of (x[i] - center)^2.
float squares_span(const float* x, float center, int64_t count);
// y[i] = exp(x[i] - shift); returns the sum of y.
float exp_span(const float* x, float shift, float* y, int64_t count);

}  // namespace taoism::kernels
