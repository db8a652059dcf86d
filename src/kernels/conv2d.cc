#include "kernels/conv2d.h"

#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"

namespace taoism::kernels {
namespace {

// With one input channel a group there is nothing to reduce over but the taps.
bool is_depthwise(const Conv2dShape& shape) {
  return shape.groups > 1 && shape.groups == shape.in_channels;
}

}  // namespace

size_t conv2d_packed_bytes(const Conv2dShape& shape) {
  const size_t elems =
      is_depthwise(shape) ? conv_depthwise_packed_elems(shape) : conv_gemm_packed_elems(shape);
  return elems * sizeof(float);
}

void conv2d_pack(const Conv2dShape& shape, const float* weights, float* packed) {
  if (is_depthwise(shape)) return conv_depthwise_pack(shape, weights, packed);
  conv_gemm_pack(shape, weights, packed);
}

size_t conv2d_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return is_depthwise(shape) ? conv_depthwise_scratch_bytes(shape, threads)
                             : conv_gemm_scratch_bytes(shape, threads);
}

void conv2d(const Conv2dShape& shape, const float* input, const float* packed,
            const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel) {
  if (is_depthwise(shape)) {
    return conv_depthwise(shape, input, packed, epilogue, output, scratch, parallel);
  }
  conv_gemm(shape, 0, shape.out_channels, input, packed, epilogue, output, scratch, parallel);
}

int64_t conv2d_channel_block(const Conv2dShape& shape) {
  return is_depthwise(shape) ? 0 : conv_gemm_channel_block(shape);
}

size_t conv2d_packed_offset(const Conv2dShape& shape, int64_t channel) {
  TAOISM_CHECK(!is_depthwise(shape));
  return conv_gemm_packed_offset(shape, channel) * sizeof(float);
}

void conv2d_channels(const Conv2dShape& shape, int64_t first, int64_t last, const float* input,
                     const float* packed_part, const Epilogue& epilogue, float* output,
                     ByteSpan scratch, Parallel& parallel) {
  TAOISM_CHECK(!is_depthwise(shape));
  conv_gemm(shape, first, last, input, packed_part, epilogue, output, scratch, parallel);
}

const char* conv2d_kernel_name(const Conv2dShape& shape) {
  if (is_depthwise(shape)) return "depthwise";
  const bool along_pixels = conv_gemm_form(shape) == ConvForm::pixels;
  if (shape.kernel_h == 1 && shape.kernel_w == 1) {
    return along_pixels ? "gemm_1x1_pixels" : "gemm_1x1_channels";
  }
  return along_pixels ? "gemm_pixels" : "gemm_channels";
}

}  // namespace taoism::kernels
