// The sizes of a convolution, from its attributes and its input: shared by Conv and SparseResidual.
// Trusted.
#pragma once

#include "kernels/conv2d.h"
#include "ops/core/window.h"

namespace taoism::ops {

// Attribute specs of a convolution.
#define TAOISM_CONV_ATTRS \
  TAOISM_WINDOW_ATTRS, { "group", ::taoism::ops::AttrSpec::integer }

struct ConvGeometry {
  kernels::Conv2dShape shape;
  ir::Shape output;  // of the input's rank

  // Weights of one output channel.
  int64_t row_elems() const {
    return shape.in_channels / shape.groups * shape.kernel_h * shape.kernel_w;
  }
};

// `x` has rank 3 or 4; `kernel` is the weight's own extents, or empty where kernel_shape is
// required. Errors: invalid_argument naming attribute and value.
Result<ConvGeometry> conv_geometry(const ir::Attrs& attrs, const ir::Shape& x, int64_t out_channels,
                                   std::span<const int64_t> kernel);

// The sum over the window that output element (n, oc, oh, ow) sees, in float64. `weight(k)` gives
// weight k of the channel's row.
template <typename Weight>
double conv_sum(const kernels::Conv2dShape& s, const float* x, int64_t n, int64_t oc, int64_t oh,
                int64_t ow, Weight&& weight) {
  const int64_t channels = s.in_channels / s.groups;
  const int64_t first = oc / (s.out_channels / s.groups) * channels;
  double sum = 0;
  for (int64_t c = 0; c < channels; ++c) {
    const float* plane = x + (n * s.in_channels + first + c) * s.in_h * s.in_w;
    for (int64_t i = 0; i < s.kernel_h; ++i) {
      const int64_t h = oh * s.stride_h - s.pad_top + i * s.dilation_h;
      if (h < 0 || h >= s.in_h) continue;
      for (int64_t j = 0; j < s.kernel_w; ++j) {
        const int64_t w = ow * s.stride_w - s.pad_left + j * s.dilation_w;
        if (w < 0 || w >= s.in_w) continue;
        sum += static_cast<double>(plane[h * s.in_w + w]) *
               weight((c * s.kernel_h + i) * s.kernel_w + j);
      }
    }
  }
  return sum;
}

}  // namespace taoism::ops
