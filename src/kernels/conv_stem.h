// Convolution of few input channels, as the first layers of image models have: there is too little
// to add up for each pixel to pay for packing it. Rows of input are split once into their columns
// modulo the stride, zeros of the padding included, so that the input of neighbouring output pixels
// is a vector in memory for every tap, and the register tile reads it there. Weights are packed as
// the pixels form of conv_gemm.h packs them, in one block of k. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"

namespace taoism::kernels {

// Whether this kernel computes the shape; the same for a band of rows as for its map.
bool is_conv_stem(const Conv2dShape& shape);

size_t conv_stem_scratch_bytes(const Conv2dShape& shape, size_t threads);

// For elements [begin, end) of the packed weights, both of them cuts, that lie at `packed`.
void conv_stem(const Conv2dShape& shape, int64_t begin, int64_t end, const float* input,
               const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
               Parallel& parallel);

}  // namespace taoism::kernels
