// Normalisation of contiguous float32: to a mean of 0 and a variance of 1, then scaled and shifted.
// Trusted: no allocation. Thread-safety: pure functions; each may work in place.
#pragma once

#include <cstdint>

#include "base/parallel.h"

namespace taoism::kernels {

struct NormalizeShape {
  int64_t rows = 1, count = 1;  // rows of `count` elements are normalised each
  float epsilon = 0;            // added to the variance
  bool centered = true;         // false: the mean is taken for 0
};

// y[r][i] = (x[r][i] - mean) / sqrt(variance + epsilon) * scale[i] + shift[i]; scale and shift may
// be null: 1 and 0.
void normalize_rows(const NormalizeShape& shape, const float* x, const float* scale,
                    const float* shift, float* y, Parallel& parallel);

// Rows are groups of channels of `pixels` elements, `groups` to an image; scale and shift are one a
// channel.
void normalize_groups(const NormalizeShape& shape, int64_t groups, int64_t pixels, const float* x,
                      const float* scale, const float* shift, float* y, Parallel& parallel);

}  // namespace taoism::kernels
