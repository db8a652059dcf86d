// The sliding window of a checked convolution or pool, in two spatial dimensions; a 1-D one has a
// height of 1. Thread-safety: values.
#pragma once

#include <array>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {

struct Window {
  std::array<int64_t, 2> kernel = {1, 1}, stride = {1, 1}, dilation = {1, 1};
  std::array<int64_t, 2> pad_begin = {0, 0}, pad_end = {0, 0};

  int64_t span(size_t axis) const { return dilation[axis] * (kernel[axis] - 1) + 1; }
  bool is_symmetric() const { return pad_begin == pad_end; }
  // Padding at the end with which exactly `out` windows fit into `in` elements.
  int64_t needed_end(size_t axis, int64_t in, int64_t out) const {
    const int64_t needed = (out - 1) * stride[axis] + span(axis) - in - pad_begin[axis];
    return needed > 0 ? needed : 0;
  }
};

// `rank` (3 or 4) is that of the input; kernel extents are the attribute's, or [1, 1].
inline Window window_of(const ir::Attrs& attrs, size_t rank) {
  Window window;
  const size_t spatial = rank - 2, first = 2 - spatial;
  const auto read = [&](const char* name, std::array<int64_t, 2>& to, size_t offset) {
    const auto list = attrs.ints(name);
    for (size_t i = 0; i < spatial && offset + i < list.size(); ++i)
      to[first + i] = list[offset + i];
  };
  read("kernel_shape", window.kernel, 0);
  read("strides", window.stride, 0);
  read("dilations", window.dilation, 0);
  read("pads", window.pad_begin, 0);
  read("pads", window.pad_end, spatial);
  return window;
}

}  // namespace taoism::torch_module
