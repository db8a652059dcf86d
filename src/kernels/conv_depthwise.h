// Depthwise convolution (one input channel a group, any multiplier). Each plane is laid out once
// with its padding, split by stride phase, so that every tap of every output pixel is a contiguous
// stream whatever the stride. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"

namespace taoism::kernels {

size_t conv_depthwise_packed_elems(const Conv2dShape& shape);
void conv_depthwise_pack(const Conv2dShape& shape, const float* weights, float* packed);
size_t conv_depthwise_scratch_bytes(const Conv2dShape& shape, size_t threads);
void conv_depthwise(const Conv2dShape& shape, const float* input, const float* packed,
                    const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel);

}  // namespace taoism::kernels
