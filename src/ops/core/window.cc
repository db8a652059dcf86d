#include "ops/core/window.h"

#include <string>

#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

// Reads a list of `expected` integers in [lowest, kMaxExtent]; absent leaves `values` as they are.
Status read_list(const ir::Attrs& attrs, const char* name, size_t expected, int64_t lowest,
                 std::span<int64_t> values) {
  if (!attrs.has(name)) return {};
  const auto list = attrs.ints(name);
  if (list.size() != expected) {
    return invalid_argument(std::string(name) + " must have " + std::to_string(expected) +
                            " elements, got " + list_text(list));
  }
  for (size_t i = 0; i < expected; ++i) {
    if (list[i] < lowest || list[i] > kMaxExtent) {
      return invalid_argument(
          std::string(name) + " must be " +
          (list[i] < lowest ? ">= " + std::to_string(lowest) : "<= " + std::to_string(kMaxExtent)) +
          ", got " + std::to_string(list[i]));
    }
    values[i] = list[i];
  }
  return {};
}

}  // namespace

Image image_of(const ir::Shape& shape) {
  if (shape.rank() == 3) return {shape[0], shape[1], 1, shape[2]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

Result<Window> window_of(const ir::Attrs& attrs, size_t spatial, std::span<const int64_t> kernel) {
  TAOISM_CHECK(spatial == 1 || spatial == 2);
  Window window;
  const size_t first = 2 - spatial;  // 1-D lives in the width
  const auto last_dims = [&](std::array<int64_t, 2>& dims) {
    return std::span<int64_t>(dims).subspan(first);
  };
  if (kernel.empty() && !attrs.has("kernel_shape")) {
    return invalid_argument("attribute kernel_shape is missing");
  }
  for (size_t i = 0; i < kernel.size() && i < spatial; ++i) {
    if (kernel[i] < 1 || kernel[i] > kMaxExtent) {
      return invalid_argument("kernel extent must be in [1, " + std::to_string(kMaxExtent) +
                              "], got " + std::to_string(kernel[i]));
    }
    window.kernel[first + i] = kernel[i];
  }
  const auto of_weight = window.kernel;
  TAOISM_RETURN_IF_ERROR(read_list(attrs, "kernel_shape", spatial, 1, last_dims(window.kernel)));
  if (!kernel.empty() && window.kernel != of_weight) {
    return invalid_argument("kernel_shape " + list_text(attrs.ints("kernel_shape")) +
                            " contradicts the weight's " + list_text(kernel));
  }
  TAOISM_RETURN_IF_ERROR(read_list(attrs, "strides", spatial, 1, last_dims(window.stride)));
  TAOISM_RETURN_IF_ERROR(read_list(attrs, "dilations", spatial, 1, last_dims(window.dilation)));
  std::array<int64_t, 4> pads = {};
  TAOISM_RETURN_IF_ERROR(read_list(attrs, "pads", 2 * spatial, 0, pads));
  for (size_t i = 0; i < spatial; ++i) {
    window.pad_begin[first + i] = pads[i];
    window.pad_end[first + i] = pads[spatial + i];
  }
  return window;
}

Result<int64_t> window_output(const Window& window, size_t axis, int64_t in, bool ceil_mode) {
  const int64_t stride = window.stride[axis];
  const int64_t room = in + window.pad_begin[axis] + window.pad_end[axis] - window.span(axis);
  // Rounded up, a window may reach past the end by less than a stride.
  if (room < 0 && (!ceil_mode || room <= -stride)) {
    return invalid_argument("a kernel that spans " + std::to_string(window.span(axis)) +
                            " does not fit an input of " + std::to_string(in) + " with pads " +
                            std::to_string(window.pad_begin[axis]) + " and " +
                            std::to_string(window.pad_end[axis]));
  }
  if (!ceil_mode) return room / stride + 1;
  int64_t out = (room + stride - 1) / stride + 1;
  if ((out - 1) * stride >= in + window.pad_begin[axis]) --out;
  return out;
}

Result<ir::Shape> window_shape(const Window& window, const ir::Shape& x, int64_t channels,
                               bool ceil_mode) {
  const Image image = image_of(x);
  ir::Shape shape{image.batch, channels};
  if (x.rank() == 4) {
    TAOISM_ASSIGN_OR_RETURN(const int64_t height,
                            window_output(window, 0, image.height, ceil_mode));
    shape.push_back(height);
  }
  TAOISM_ASSIGN_OR_RETURN(const int64_t width, window_output(window, 1, image.width, ceil_mode));
  shape.push_back(width);
  return shape;
}

}  // namespace taoism::ops
