// Convolution as an implicit matrix product: blocks of pixels are packed on the fly into
// cache-sized scratch and multiplied with packed weights in the register tile. Internal.
//
// Two forms:
//   pixels    vectors run along the pixels of a plane, weights are broadcast.
//   channels  vectors run along output channels, pixels are broadcast; results are transposed on
//             the way out. For maps too small to fill vectors. Weights are zero-padded to vectors.
// In both a tile may span images, so that a batch fills what one image does not. Weights are packed
// as weight_tiles.h says, in tiles of out channels; a k block is a range of input channels.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"

namespace taoism::kernels {

constexpr bool is_along_channels(ConvKernel kernel) {
  return kernel == ConvKernel::gemm_channels || kernel == ConvKernel::winograd_2x2_channels ||
         kernel == ConvKernel::winograd_4x4_channels;
}

size_t conv_gemm_scratch_bytes(const Conv2dShape& shape, size_t threads);
void conv_gemm(const Conv2dShape& shape, const float* input, const float* packed,
               const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel);

size_t conv_gemm_part_scratch_bytes(const Conv2dShape& shape, size_t threads);
// For elements [begin, end) of the packed weights, both of them cuts.
void conv_gemm_part(const Conv2dShape& shape, int64_t begin, int64_t end, const float* input,
                    const float* packed_part, const Epilogue& epilogue, float* output,
                    ByteSpan scratch, Parallel& parallel);

}  // namespace taoism::kernels
