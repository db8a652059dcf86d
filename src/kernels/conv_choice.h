// Which kernel computes a convolution, and how its weights are packed for it: chosen by whoever
// packs, for the current target. The costs may change from build to build; what was packed says how
// it is. Thread-safety: pure functions.
#pragma once

#include "kernels/conv2d.h"

namespace taoism::kernels {

// The fastest, by a count of operations. The batch makes no difference.
ConvPacking choose_conv2d(const Conv2dShape& shape);

// The same for a kernel that is given; what comes back need not apply to the shape.
ConvPacking conv2d_packing(const Conv2dShape& shape, ConvKernel kernel);

}  // namespace taoism::kernels
