#include "ops/core/conv_geometry.h"

#include <string>

namespace taoism::ops {

Result<ConvGeometry> conv_geometry(const ir::Attrs& attrs, const ir::Shape& x, int64_t out_channels,
                                   std::span<const int64_t> kernel) {
  TAOISM_ASSIGN_OR_RETURN(const Window window, window_of(attrs, x.rank() - 2, kernel));
  const Image image = image_of(x);
  const int64_t group = attrs.i("group", 1);
  if (group < 1 || image.channels % group != 0 || out_channels % group != 0) {
    return invalid_argument("group must divide " + std::to_string(image.channels) + " input and " +
                            std::to_string(out_channels) + " output channels, got " +
                            std::to_string(group));
  }
  ConvGeometry geometry;
  TAOISM_ASSIGN_OR_RETURN(geometry.output, window_shape(window, x, out_channels, false));
  // No kernel may meet a size that a product of two could overflow.
  if (!geometry.output.is_bounded()) {
    return invalid_argument("output is too large: " + geometry.output.text());
  }
  const Image output = image_of(geometry.output);
  geometry.shape = {.batch = image.batch,
                    .in_channels = image.channels,
                    .in_h = image.height,
                    .in_w = image.width,
                    .out_channels = out_channels,
                    .out_h = output.height,
                    .out_w = output.width,
                    .kernel_h = window.kernel[0],
                    .kernel_w = window.kernel[1],
                    .stride_h = window.stride[0],
                    .stride_w = window.stride[1],
                    .pad_top = window.pad_begin[0],
                    .pad_left = window.pad_begin[1],
                    .dilation_h = window.dilation[0],
                    .dilation_w = window.dilation[1],
                    .groups = group};
  return geometry;
}

}  // namespace taoism::ops
