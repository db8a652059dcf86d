// Softmax and its logarithm over the middle axis of [outer][axis][inner] float32. Trusted: no
// allocation. Thread-safety: pure functions; each may work in place.
#pragma once

#include "kernels/axis.h"

namespace taoism::kernels {

// y[o][:][i] = softmax(x[o][:][i]).
void softmax(const AxisShape& shape, const float* x, float* y, Parallel& parallel);

// y[o][:][i] = log(softmax(x[o][:][i])).
void log_softmax(const AxisShape& shape, const float* x, float* y, Parallel& parallel);

}  // namespace taoism::kernels
