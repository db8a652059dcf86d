#include "ops/core/pool.h"

namespace taoism::ops {
namespace {

bool is_ceil(const NodeView& node) { return node.attrs.i("ceil_mode") != 0; }

Result<Window> pool_window(const NodeView& node) {
  return window_of(node.attrs, node.shape(0).rank() - 2, {});
}

}  // namespace

Status infer_pool(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(expect_rank(node, 0, "x", 3, 4));
  TAOISM_ASSIGN_OR_RETURN(const Window window, pool_window(node));
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t pad = std::max(window.pad_begin[axis], window.pad_end[axis]);
    if (pad >= window.span(axis)) {
      return invalid_argument("pads must be smaller than the kernel, which spans " +
                              std::to_string(window.span(axis)) + ", got " + std::to_string(pad));
    }
  }
  const ir::Shape& x = node.shape(0);
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, window_shape(window, x, x[1], is_ceil(node)));
  outputs[0] = {ir::DType::f32, shape};
  return {};
}

kernels::Pool2dShape pool_shape(const NodeView& node) {
  const Window window = *pool_window(node);
  const ir::Shape& x = node.shape(0);
  const Image in = image_of(x), out = image_of(*window_shape(window, x, x[1], is_ceil(node)));
  return {.batch = in.batch,
          .channels = in.channels,
          .in_h = in.height,
          .in_w = in.width,
          .out_h = out.height,
          .out_w = out.width,
          .kernel_h = window.kernel[0],
          .kernel_w = window.kernel[1],
          .stride_h = window.stride[0],
          .stride_w = window.stride[1],
          .pad_top = window.pad_begin[0],
          .pad_left = window.pad_begin[1],
          .dilation_h = window.dilation[0],
          .dilation_w = window.dilation[1],
          .pad_bottom = window.pad_end[0],
          .pad_right = window.pad_end[1]};
}

// Exact pads make ceil_mode, if set, add no row.
bool split_pool_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs) {
  return has_rows(node, out) && split_window_rows(node, *pool_window(node), 0, out, in, attrs);
}

}  // namespace taoism::ops
