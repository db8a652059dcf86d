// Softmax and mean over the middle axis of [outer][axis][inner] float32. Trusted: no allocation.
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace taoism::kernels {

struct AxisShape {
  int64_t outer = 1, axis = 1, inner = 1;
};

// y[o][:][i] = softmax(x[o][:][i]). In place allowed.
void softmax(const AxisShape& shape, const float* x, float* y, Parallel& parallel);

// y[o][i] = mean of x[o][:][i]. y may not overlap x.
void reduce_mean(const AxisShape& shape, const float* x, float* y, Parallel& parallel);

}  // namespace taoism::kernels
