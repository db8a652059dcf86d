// Two-dimensional convolution over contiguous NCHW float32: grouped, dilated, strided, depthwise.
// Weights are packed once, for the current target (target.h); activations are never reordered in
// memory. Trusted: no allocation; `scratch` is all the temporary memory, aligned to kAlignment.
// Thread-safety: pure functions; calls with different outputs and scratch may run at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/epilogue.h"

namespace taoism::kernels {

// All sizes are in elements and positive; padding is non-negative. The padding below and to the
// right follows from out_h and out_w: taps that fall outside the input read zero.
struct Conv2dShape {
  int64_t batch = 1, in_channels = 1, in_h = 1, in_w = 1;
  int64_t out_channels = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;  // divides in_channels and out_channels
};

// Bytes of the packed weights: independent of the batch.
size_t conv2d_packed_bytes(const Conv2dShape& shape);

// weights [out_channels][in_channels/groups][kernel_h][kernel_w] -> packed.
void conv2d_pack(const Conv2dShape& shape, const float* weights, float* packed);

// Bytes of scratch that conv2d needs with that many threads.
size_t conv2d_scratch_bytes(const Conv2dShape& shape, size_t threads);

// input [batch][in_channels][in_h][in_w] -> output [batch][out_channels][out_h][out_w], which may
// not overlap the input. scratch: conv2d_scratch_bytes(shape, parallel.threads()) at least.
void conv2d(const Conv2dShape& shape, const float* input, const float* packed,
            const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel);

// For weights that are streamed in pieces: output channels can be computed a few at a time when
// this is not 0. Channels [first, last), first a multiple of this, last another or out_channels,
// need only the packed bytes from conv2d_packed_offset(first) to conv2d_packed_offset(last).
int64_t conv2d_channel_block(const Conv2dShape& shape);
size_t conv2d_packed_offset(const Conv2dShape& shape, int64_t channel);

// As conv2d, for output channels [first, last) alone; packed_part are their packed weights, all
// other operands are those of the whole convolution.
void conv2d_channels(const Conv2dShape& shape, int64_t first, int64_t last, const float* input,
                     const float* packed_part, const Epilogue& epilogue, float* output,
                     ByteSpan scratch, Parallel& parallel);

// The kernel that the cost rule picks for this shape on the current target.
const char* conv2d_kernel_name(const Conv2dShape& shape);

}  // namespace taoism::kernels
