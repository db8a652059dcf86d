// The sliding window of convolutions and pools: kernel, strides, pads, dilations. Always two
// spatial dimensions: a 1-D operator has a height of 1. Trusted.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "ops/op.h"

namespace taoism::ops {

// Attribute specs that an operator with a window lists.
#define TAOISM_WINDOW_ATTRS                                                                        \
  {"kernel_shape", ::taoism::ops::AttrSpec::integers},                                             \
      {"strides", ::taoism::ops::AttrSpec::integers}, {"pads", ::taoism::ops::AttrSpec::integers}, \
  {                                                                                                \
    "dilations", ::taoism::ops::AttrSpec::integers                                                 \
  }

struct Window {
  std::array<int64_t, 2> kernel = {1, 1};  // height, width
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> pad_begin = {0, 0};
  std::array<int64_t, 2> pad_end = {0, 0};
  std::array<int64_t, 2> dilation = {1, 1};

  // The input extent that one window spans along `axis`.
  int64_t span(size_t axis) const { return dilation[axis] * (kernel[axis] - 1) + 1; }
};

// An image tensor's dimensions; rank 3 (NCL) has a height of 1.
struct Image {
  int64_t batch = 0, channels = 0, height = 0, width = 0;
};
Image image_of(const ir::Shape& shape);

// The window that the attributes describe, for `spatial` (1 or 2) spatial dimensions. When
// kernel_shape is absent, `kernel` (the weight's own extents) is the kernel; when both are there
// they must agree; an empty `kernel` makes the attribute required. Errors: invalid_argument naming
// attribute and value.
Result<Window> window_of(const ir::Attrs& attrs, size_t spatial, std::span<const int64_t> kernel);

// The output extent along `axis` for `in` input elements. With `ceil_mode` the last window may hang
// over the end, but never starts in the end padding. Errors: invalid_argument when no window fits.
Result<int64_t> window_output(const Window& window, size_t axis, int64_t in, bool ceil_mode);

// Output shape of a window over `x` with so many channels.
Result<ir::Shape> window_shape(const Window& window, const ir::Shape& x, int64_t channels,
                               bool ceil_mode);

}  // namespace taoism::ops
