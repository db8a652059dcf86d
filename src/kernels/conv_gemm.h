// Convolution as an implicit matrix product: blocks of pixels are packed on the fly into
// cache-sized scratch and multiplied with packed weights in the register tile. Internal.
//
// Two forms, chosen by the shape of one image:
//   pixels    vectors run along the pixels of a plane, weights are broadcast. Weights are packed
//             [out channels / tile rows][k][tile rows], the last panel narrower.
//   channels  vectors run along output channels, pixels are broadcast; results are transposed on
//             the way out. For maps too small to fill vectors. Weights are packed
//             [out channels / tile columns][k][tile columns], zero-padded to whole vectors.
// In both a tile may span images, so that a batch fills what one image does not.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/conv2d.h"

namespace taoism::kernels {

enum class ConvForm : uint8_t { pixels, channels };

ConvForm conv_gemm_form(const Conv2dShape& shape);
size_t conv_gemm_packed_elems(const Conv2dShape& shape);
int64_t conv_gemm_channel_block(const Conv2dShape& shape);
void conv_gemm_pack(const Conv2dShape& shape, const float* weights, float* packed);
size_t conv_gemm_scratch_bytes(const Conv2dShape& shape, size_t threads);
// Elements of the packed weights before those of a channel of the (one) group.
size_t conv_gemm_packed_offset(const Conv2dShape& shape, int64_t channel);
// Output channels [first, last) of every group, `packed` starting with those of the first.
void conv_gemm(const Conv2dShape& shape, int64_t first, int64_t last, const float* input,
               const float* packed, const Epilogue& epilogue, float* output, ByteSpan scratch,
               Parallel& parallel);

}  // namespace taoism::kernels
