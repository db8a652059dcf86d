#include "kernels/conv2d.h"

#include <algorithm>

#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_plan.h"
#include "kernels/conv_stem.h"
#include "kernels/winograd.h"

namespace taoism::kernels {
namespace {

// With one input channel a group there is nothing to reduce over but the taps.
bool is_depthwise(const Conv2dShape& shape) {
  return shape.groups > 1 && shape.groups == shape.in_channels;
}

enum class Kernel : uint8_t { depthwise, winograd, stem, gemm };
Kernel kernel_of(const Conv2dShape& shape) {
  if (is_depthwise(shape)) return Kernel::depthwise;
  if (winograd_tile(shape) != 0) return Kernel::winograd;
  return is_conv_stem(shape) ? Kernel::stem : Kernel::gemm;
}

WeightTiles weight_tiles(const Conv2dShape& shape) {
  return winograd_tile(shape) != 0 ? winograd_weight_tiles(shape) : conv_weight_tiles(shape);
}

}  // namespace

size_t conv2d_packed_bytes(const Conv2dShape& shape) {
  const int64_t elems =
      is_depthwise(shape) ? conv_depthwise_packed_elems(shape) : weight_tiles(shape).elems();
  return static_cast<size_t>(elems) * sizeof(float);
}

void conv2d_pack(const Conv2dShape& shape, const float* weights, float* packed) {
  if (is_depthwise(shape)) return conv_depthwise_pack(shape, weights, packed);
  conv_weights_pack(weight_tiles(shape), shape.out_channels / shape.groups, weights, packed);
}

size_t conv2d_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  switch (kernel_of(shape)) {
    case Kernel::depthwise: return conv_depthwise_scratch_bytes(shape, threads);
    case Kernel::winograd: return winograd_scratch_bytes(shape, threads, WinogradCall::whole);
    case Kernel::stem: return conv_stem_scratch_bytes(shape, threads);
    case Kernel::gemm: break;
  }
  return conv_gemm_scratch_bytes(shape, threads);
}

size_t conv2d_least_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return kernel_of(shape) == Kernel::winograd ? winograd_least_scratch_bytes(shape, threads)
                                              : conv2d_scratch_bytes(shape, threads);
}

void conv2d(const Conv2dShape& shape, const float* input, const float* packed,
            const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel) {
  switch (kernel_of(shape)) {
    case Kernel::depthwise:
      return conv_depthwise(shape, 0, conv_depthwise_packed_elems(shape), input, packed, epilogue,
                            output, scratch, parallel);
    case Kernel::winograd:
      return winograd(shape, WinogradCall::whole, 0, winograd_weight_tiles(shape).elems(), input,
                      packed, epilogue, output, scratch, parallel);
    case Kernel::stem:
      return conv_stem(shape, 0, conv_weight_tiles(shape).elems(), input, packed, epilogue, output,
                       scratch, parallel);
    case Kernel::gemm: break;
  }
  conv_gemm(shape, input, packed, epilogue, output, scratch, parallel);
}

size_t conv2d_piece_end(const Conv2dShape& shape, size_t begin, size_t target_bytes) {
  return is_depthwise(shape) ? conv_depthwise_piece_end(shape, begin, target_bytes)
                             : weight_tiles(shape).piece_end(begin, target_bytes);
}

size_t conv2d_part_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  switch (kernel_of(shape)) {
    case Kernel::depthwise: return conv_depthwise_scratch_bytes(shape, threads);
    case Kernel::winograd: return winograd_scratch_bytes(shape, threads, WinogradCall::part);
    case Kernel::stem: return conv_stem_scratch_bytes(shape, threads);
    case Kernel::gemm: break;
  }
  return conv_gemm_part_scratch_bytes(shape, threads);
}

size_t conv2d_least_part_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return kernel_of(shape) == Kernel::winograd ? winograd_least_scratch_bytes(shape, threads)
                                              : conv2d_part_scratch_bytes(shape, threads);
}

void conv2d_part(const Conv2dShape& shape, size_t begin, size_t end, const float* input,
                 const float* packed_part, const Epilogue& epilogue, float* output,
                 ByteSpan scratch, Parallel& parallel) {
  const auto first = static_cast<int64_t>(begin / sizeof(float));
  const auto last = static_cast<int64_t>(end / sizeof(float));
  switch (kernel_of(shape)) {
    case Kernel::depthwise:
      return conv_depthwise(shape, first, last, input, packed_part, epilogue, output, scratch,
                            parallel);
    case Kernel::winograd:
      return winograd(shape, WinogradCall::part, first, last, input, packed_part, epilogue, output,
                      scratch, parallel);
    case Kernel::stem:
      return conv_stem(shape, first, last, input, packed_part, epilogue, output, scratch, parallel);
    case Kernel::gemm: break;
  }
  conv_gemm_part(shape, first, last, input, packed_part, epilogue, output, scratch, parallel);
}

int64_t conv2d_row_step(const Conv2dShape& shape) {
  return std::max<int64_t>(winograd_tile(shape), 1);
}

const char* conv2d_kernel_name(const Conv2dShape& shape) {
  if (is_depthwise(shape)) return "depthwise";
  if (const WinogradChoice winograd = winograd_choice(shape); winograd.tile != 0) {
    if (winograd.form == ConvForm::channels) {
      return winograd.tile == 2 ? "winograd_2x2_channels" : "winograd_4x4_channels";
    }
    return winograd.tile == 2 ? "winograd_2x2_pixels" : "winograd_4x4_pixels";
  }
  if (is_conv_stem(shape)) return "direct_few_channels";
  const bool along_pixels = conv_gemm_form(shape) == ConvForm::pixels;
  if (shape.kernel_h == 1 && shape.kernel_w == 1) {
    return along_pixels ? "gemm_1x1_pixels" : "gemm_1x1_channels";
  }
  return along_pixels ? "gemm_pixels" : "gemm_channels";
}

}  // namespace taoism::kernels
