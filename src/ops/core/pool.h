// The sizes of a pool and its reference walk: shared by MaxPool and AveragePool. Trusted.
#pragma once

#include <algorithm>

#include "kernels/pool.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"
#include "ops/core/window.h"

namespace taoism::ops {

// Attribute specs of a pool.
#define TAOISM_POOL_ATTRS \
  TAOISM_WINDOW_ATTRS, { "ceil_mode", ::taoism::ops::AttrSpec::integer }

// Errors: invalid_argument naming attribute and value. A pad must be smaller than the kernel's
// span.
Status infer_pool(const NodeView& node, std::span<ir::TensorDesc> outputs);
// The sizes for a node that infer_pool accepted.
kernels::Pool2dShape pool_shape(const NodeView& node);
// split_rows where what is counted beyond the input does not matter.
bool split_pool_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs);

// One window: the input elements it sees, and how many positions it has inside the padded input.
template <typename Element>
int64_t walk_window(const kernels::Pool2dShape& s, const float* plane, int64_t oh, int64_t ow,
                    Element&& element) {
  int64_t padded = 0;
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t h = oh * s.stride_h - s.pad_top + i * s.dilation_h;
    if (h >= s.in_h + s.pad_bottom) continue;
    for (int64_t j = 0; j < s.kernel_w; ++j) {
      const int64_t w = ow * s.stride_w - s.pad_left + j * s.dilation_w;
      if (w >= s.in_w + s.pad_right) continue;
      ++padded;
      if (h >= 0 && h < s.in_h && w >= 0 && w < s.in_w) element(plane[h * s.in_w + w]);
    }
  }
  return padded;
}

// Calls value(plane, oh, ow) for every output element and stores what it gives.
template <typename Value>
void for_each_output(const kernels::Pool2dShape& s, const float* input, float* output,
                     Value&& value) {
  for (int64_t plane = 0; plane < s.batch * s.channels; ++plane) {
    for (int64_t oh = 0; oh < s.out_h; ++oh) {
      for (int64_t ow = 0; ow < s.out_w; ++ow) {
        *output++ = value(input + plane * s.in_h * s.in_w, oh, ow);
      }
    }
  }
}

}  // namespace taoism::ops
