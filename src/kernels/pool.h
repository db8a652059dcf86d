// Pooling over NCHW float32. Trusted: no allocation. Thread-safety: pure functions; the output may
// not overlap the input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace taoism::kernels {

// Sizes in elements, as in Conv2dShape: the padding below and to the right follows from out_h and
// out_w. A window may reach past the input; a max window that holds no input element gives -inf,
// an average one 0.
struct Pool2dShape {
  int64_t batch = 1, channels = 1, in_h = 1, in_w = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, dilation_h = 1, dilation_w = 1;
  // For count_include_pad: the explicit padding at the far ends. Padded positions count in the
  // divisor, positions past them (which ceil mode makes) do not.
  int64_t pad_bottom = 0, pad_right = 0;
};

// A NaN in the window gives NaN.
void max_pool2d(const Pool2dShape& shape, const float* input, float* output, Parallel& parallel);

// Dilation must be 1.
void average_pool2d(const Pool2dShape& shape, bool count_include_pad, const float* input,
                    float* output, Parallel& parallel);

}  // namespace taoism::kernels
