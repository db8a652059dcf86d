// Depthwise 3x3 with stride 1 or 2, from the plane as it lies: at its borders loads are masked
// instead of padding being laid out. Internal.
#pragma once

#include "kernels/conv2d.h"

namespace taoism::kernels {

// Whether the current target, which needs masked loads, takes this depthwise shape.
bool is_depthwise_3x3(const Conv2dShape& shape);

// One plane: sums of the nine taps from `bias` on, through the rest of the epilogue. `residual`
// lies like `output`, or is null.
void conv_depthwise_3x3(const Conv2dShape& shape, const float* plane, const float* weights,
                        float bias, const float* residual, const Activation& activation,
                        float* output);

}  // namespace taoism::kernels
