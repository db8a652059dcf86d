// Sums whose vectors run along output channels, written to NCHW planes. Internal.
#pragma once

#include <cstdint>

#include "kernels/activation.h"

namespace taoism::kernels {

// sums [pixels][sum_pitch], of which `channels` count -> planes: pixel i of channel c is limited to
// `bounds` after bias[c] (or 0, when null) and the residual, which lies like `planes`, are added.
struct Scatter {
  const float* sums;
  int64_t sum_pitch, pixels, channels;
  const float* bias;
  const float* residual;
  Bounds bounds;
  float* planes;  // channel 0, pixel 0
  int64_t plane_elems;
};
void scatter_channels(const Scatter& scatter);

}  // namespace taoism::kernels
