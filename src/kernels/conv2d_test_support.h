// Shapes and operands of the convolution tests. Tests only.
#pragma once

#include <string>
#include <vector>

#include "kernels/conv_choice.h"
#include "kernels/conv_gemm.h"
#include "kernels/kernel_test_support.h"
#include "kernels/tile.h"
#include "kernels/weight_tiles.h"

namespace taoism::kernels {

inline std::string describe(const Conv2dShape& s) {
  std::string text;
  for (int64_t v : {s.batch, s.in_channels, s.in_h, s.in_w, s.out_channels, s.out_h, s.out_w,
                    s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.pad_top, s.pad_left,
                    s.dilation_h, s.dilation_w, s.groups}) {
    text += std::to_string(v) + " ";
  }
  return text;
}

// With what is chosen for the current target, or by `kernel`.
inline Conv2dShape chosen(Conv2dShape s) {
  s.packing = choose_conv2d(s);
  return s;
}
inline Conv2dShape chosen(Conv2dShape s, ConvKernel kernel) {
  s.packing = conv2d_packing(s, kernel);
  return s;
}

inline std::string describe(const ConvPacking& packing) {
  return std::string(conv_kernel_name(packing.kernel)) + " " + std::to_string(packing.block_depth) +
         " " + std::to_string(packing.tile_width);
}

// Of the same kernel, any that applies.
inline ConvPacking random_packing(const Conv2dShape& s, Random& random) {
  ConvPacking packing = s.packing;
  const int64_t taps = s.kernel_h * s.kernel_w;
  const auto tries = [&](int64_t& number, int64_t value) {
    const int64_t before = number;
    Conv2dShape changed = s;
    number = value;
    changed.packing = packing;
    if (!conv2d_applies(changed)) number = before;
  };
  tries(packing.block_depth, taps * random.integer(1, s.in_channels / s.groups));
  const int64_t width = random.integer(1, packing.tile_width + 1);
  tries(packing.tile_width,
        is_along_channels(s.packing.kernel) ? ceil_to(width, tile_set().lanes) : width);
  return packing;
}

inline std::vector<ConvKernel> all_conv_kernels() {
  std::vector<ConvKernel> kernels;
  for (int k = 0; k <= static_cast<int>(ConvKernel::winograd_4x4_channels); ++k) {
    kernels.push_back(static_cast<ConvKernel>(k));
  }
  return kernels;
}

// A shape with equal padding on both sides.
inline Conv2dShape square(int64_t batch, int64_t in, int64_t size, int64_t out, int64_t kernel,
                          int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1) {
  Conv2dShape s;
  s.batch = batch;
  s.in_channels = in;
  s.in_h = s.in_w = size;
  s.out_channels = out;
  s.kernel_h = s.kernel_w = kernel;
  s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = pad;
  s.dilation_h = s.dilation_w = dilation;
  s.out_h = s.out_w = (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  s.groups = groups;
  return s;
}

// Odd everything, but affordable; out_h and out_w may ask for more padding at the far ends.
inline Conv2dShape random_shape(Random& random) {
  Conv2dShape s;
  s.groups = random.integer(0, 3) == 0 ? random.integer(2, 5) : 1;
  const bool depthwise = random.integer(0, 3) == 0;
  s.batch = random.integer(1, 9);
  s.in_channels = s.groups * (depthwise ? 1 : random.integer(1, 9));
  s.out_channels = s.groups * random.integer(1, s.groups == 1 ? 70 : 20);
  s.in_h = random.integer(1, 20);
  s.in_w = random.integer(1, 37);
  s.kernel_h = random.integer(1, 5);
  s.kernel_w = random.integer(1, 5);
  s.stride_h = random.integer(1, 3);
  s.stride_w = random.integer(1, 3);
  s.dilation_h = random.integer(1, 3);
  s.dilation_w = random.integer(1, 3);
  s.pad_top = random.integer(0, 4);
  s.pad_left = random.integer(0, 4);
  const auto out = [&](int64_t in, int64_t pad, int64_t kernel, int64_t stride, int64_t dilation) {
    const int64_t free = in + pad + random.integer(0, 4) - dilation * (kernel - 1) - 1;
    return free < 0 ? 1 : free / stride + 1;
  };
  s.out_h = out(s.in_h, s.pad_top, s.kernel_h, s.stride_h, s.dilation_h);
  s.out_w = out(s.in_w, s.pad_left, s.kernel_w, s.stride_w, s.dilation_w);
  return s;
}

// 3x3 or 5x5 with stride 1, some of which Winograd's kernels take: partial tiles, several panels,
// chunks of channels and tiles of weights, any padding.
inline Conv2dShape random_winograd(Random& random) {
  const bool is_small = random.integer(0, 2) == 0;
  const int64_t kernel = random.integer(0, 2) == 0 ? 5 : 3;
  Conv2dShape s = square(random.integer(1, 4), random.integer(1, 90), kernel,
                         random.integer(1, is_small ? 90 : 40), kernel, 1, 0);
  s.in_h = random.integer(1, is_small ? 7 : 21);
  s.in_w = random.integer(1, is_small ? 7 : 21);
  s.pad_top = random.integer(0, kernel);
  s.pad_left = random.integer(0, kernel);
  s.out_h = std::max<int64_t>(1, s.in_h + s.pad_top + random.integer(0, kernel) - kernel + 1);
  s.out_w = std::max<int64_t>(1, s.in_w + s.pad_left + random.integer(0, kernel) - kernel + 1);
  if (random.integer(0, 7) == 0) s.batch = random.integer(9, 17);
  return s;
}

// Few input channels and rows of several vectors: what conv_stem is for.
inline Conv2dShape random_stem(Random& random) {
  Conv2dShape s = random_shape(random);
  s.groups = 1;
  s.in_channels = random.integer(1, 4);
  s.kernel_h = random.integer(1, 11);
  s.kernel_w = random.integer(1, 11);
  s.stride_w = random.integer(1, 5);
  s.in_w = random.integer(30, 150);
  s.out_w = std::max<int64_t>(
      1, (s.in_w + s.pad_left + random.integer(0, 4) - s.dilation_w * (s.kernel_w - 1) - 1) /
                 s.stride_w +
             1);
  s.out_h = std::max<int64_t>(
      1, (s.in_h + s.pad_top + random.integer(0, 4) - s.dilation_h * (s.kernel_h - 1) - 1) /
                 s.stride_h +
             1);
  return s;
}

// 1x1, with a stride or without, over any number of channels.
inline Conv2dShape random_1x1(Random& random) {
  Conv2dShape s = random_shape(random);
  s.groups = random.integer(0, 4) == 0 ? 2 : 1;
  s.in_channels = s.groups * random.integer(1, 150);
  s.out_channels = s.groups * random.integer(1, 90);
  s.in_h = random.integer(1, 9);
  s.in_w = random.integer(1, 12);
  s.kernel_h = s.kernel_w = s.dilation_h = s.dilation_w = 1;
  s.pad_top = s.pad_left = 0;
  s.out_h = (s.in_h - 1) / s.stride_h + 1;
  s.out_w = (s.in_w - 1) / s.stride_w + 1;
  return s;
}

// One row: what a 1-D convolution is here.
inline Conv2dShape random_1d(Random& random) {
  Conv2dShape s = random_shape(random);
  s.in_h = s.out_h = s.kernel_h = s.stride_h = s.dilation_h = 1;
  s.pad_top = 0;
  return s;
}

struct ConvTensors {
  ConvTensors(const Conv2dShape& s, Random& random) {
    input = random.floats(s.batch * s.in_channels * s.in_h * s.in_w);
    weights = random.floats(s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w);
    bias = random.floats(s.out_channels);
    residual = random.floats(s.batch * s.out_channels * s.out_h * s.out_w);
  }
  std::vector<float> input, weights, bias, residual;
};

// By the shape's packing, or by what is chosen where it has none.
inline std::vector<float> run_conv(const Conv2dShape& shape, const ConvTensors& t,
                                   const Epilogue& epilogue, size_t threads) {
  const Conv2dShape s = shape.packing.kernel == ConvKernel::none ? chosen(shape) : shape;
  AlignedBuffer packed(conv2d_packed_bytes(s));
  conv2d_pack(s, t.weights.data(), packed.as<float>());
  AlignedBuffer scratch = poisoned_scratch(conv2d_scratch_bytes(s, threads));
  std::vector<float> output(t.residual.size(), NAN);
  TestParallel parallel(threads);
  conv2d(s, t.input.data(), packed.as<float>(), epilogue, output.data(), scratch.span(), parallel);
  return output;
}

inline const Conv2dShape kConvShapes[] = {
    square(1, 3, 33, 48, 7, 2, 3),          // a stem with three channels
    square(2, 3, 32, 64, 3, 1, 1),          //
    square(1, 1, 28, 16, 3, 1, 1),          // one channel
    square(1, 64, 14, 64, 3, 1, 1),         //
    square(3, 64, 7, 96, 3, 1, 1),          // small maps that span images
    square(9, 16, 4, 40, 3, 1, 1),          //
    square(8, 48, 1, 100, 1, 1, 0),         //
    square(1, 700, 3, 50, 1, 1, 0),         // several blocks of k
    square(1, 160, 9, 33, 3, 1, 1),         //
    square(2, 160, 7, 50, 3, 1, 1),         // the same for the transposed form
    square(1, 40, 26, 30, 5, 2, 2),         // 5x5 stride 2
    square(1, 8, 23, 9, 3, 3, 1),           // stride 3
    square(1, 8, 30, 12, 3, 1, 2, 2),       // dilation
    square(2, 24, 15, 36, 3, 2, 1, 1, 3),   // groups
    square(1, 64, 8, 64, 3, 1, 1, 1, 32),   //
    square(2, 33, 14, 33, 3, 1, 1, 1, 33),  // depthwise
    square(1, 20, 15, 40, 5, 2, 2, 1, 20),  // depthwise with a multiplier
    square(1, 6, 60, 6, 3, 3, 0, 2, 6),     //
    square(1, 32, 20, 64, 1, 2, 0),         // 1x1 with a stride
    square(1, 2, 1, 3, 5, 1, 2),            // mostly padding
};

}  // namespace taoism::kernels
