// Packs pixels of an NCHW image for the register tile: row k = (channel, kernel y, kernel x) of a
// panel holds the input element that each output pixel of the panel multiplies there. The pattern
// is worked out once per panel (a list of runs per tap) and replayed for every channel. Internal.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"

namespace taoism::kernels {

// At most one vector of a packed row. Bit i of `mask`: whether element i is inside the image; the
// others are zero. A run may write a whole vector, so runs are replayed in ascending order.
struct GatherRun {
  int64_t source;  // of element 0, from the channel's plane of the first image; may be outside
  uint32_t mask;
  uint32_t wide_mask;  // `mask` spread to every second bit, for stride 2
  int32_t target;
  int32_t full;  // every lane is inside
};

struct GatherPattern {
  GatherRun* runs = nullptr;     // gather_run_capacity(...) of them
  int32_t* tap_begin = nullptr;  // [taps + 1]
  int64_t taps = 0;
};

// How many runs a pattern of `columns` output pixels padded to `width` can have.
int64_t gather_run_capacity(const Conv2dShape& shape, int64_t columns, int64_t width,
                            int64_t lanes);

// The pattern of output pixels [first, first + columns) of the batch, in the order (image, y, x),
// in packed rows of `width` >= columns elements.
void build_gather(const Conv2dShape& shape, int64_t first, int64_t columns, int64_t width,
                  int64_t lanes, GatherPattern& pattern);

// Writes channels * taps rows of `width` elements, and at most one vector past them. `plane` is
// the first channel's plane in the first image; channels are plane_elems apart.
void gather_rows(const GatherPattern& pattern, const float* plane, int64_t plane_elems,
                 int64_t channels, int64_t stride_w, int64_t width, float* packed);

// For 1x1 with stride 1 and no padding: `tiles` panels of `width` pixels that follow each other in
// one plane, channel by channel, so that memory is read in long runs. Panels are tile_elems apart.
void copy_pixels(const float* pixels, int64_t plane_elems, int64_t channels, int64_t tiles,
                 int64_t width, int64_t tile_elems, float* packed);

}  // namespace taoism::kernels
