// Depthwise convolution (one input channel a group, any multiplier). Each plane is laid out once
// with its padding, split by stride phase, so that every tap of every output pixel is a contiguous
// stream whatever the stride. Internal.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"

namespace taoism::kernels {

// Weights are packed [input channel][multiplier][taps]: cut between input channels.
int64_t conv_depthwise_packed_elems(const Conv2dShape& shape);
void conv_depthwise_pack(const Conv2dShape& shape, const float* weights, float* packed);
size_t conv_depthwise_piece_end(const Conv2dShape& shape, size_t begin, size_t target_bytes);
size_t conv_depthwise_scratch_bytes(const Conv2dShape& shape, size_t threads);
// For elements [begin, end) of the packed weights, both of them cuts, that lie at `packed`.
void conv_depthwise(const Conv2dShape& shape, int64_t begin, int64_t end, const float* input,
                    const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
                    Parallel& parallel);

}  // namespace taoism::kernels
