// Reductions over the middle axis of [outer][axis][inner] float32. Trusted: no allocation.
// Thread-safety: pure functions.
#pragma once

#include "kernels/axis.h"

namespace taoism::kernels {

// Of all x along the axis: the sum of x, |x| or x * x and what is made of it; the product; the
// largest or smallest, where NaN wins; log(sum of exp(x)), without overflow.
enum class Reduction : uint8_t {
  sum,
  mean,
  l1,
  l2,
  sum_square,
  log_sum,
  product,
  max,
  min,
  log_sum_exp
};

// y[o][i] = the reduction of x[o][:][i]; an empty axis gives that of nothing. y may not overlap x.
void reduce(Reduction reduction, const AxisShape& shape, const float* x, float* y,
            Parallel& parallel);

}  // namespace taoism::kernels
